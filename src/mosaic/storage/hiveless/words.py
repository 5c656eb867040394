"""Amounts and instants in words."""

from datetime import UTC, datetime


def megabytes(count: int) -> str:
    """Return an amount of bytes in megabytes."""
    return f"{count / 1e6:.1f} MB"


def instant(instant_ns: int) -> str:
    """Return an instant as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(instant_ns // 10**9, UTC).isoformat().replace("+00:00", "Z")
