"""What a unit's program wrote last, from the journal of systemd: its own lines, without those of systemd about it."""

from collections.abc import Sequence

from mosaic.adapters import process
from mosaic.cli.up.services import words_of

_SECONDS = 60.0
_LOOKED_AT = 100


def last_lines(unit: str, count: int, *, since: int = 0) -> list[str]:
    """Return at most `count` lines that it wrote since that time of the clock in seconds; none without a journal."""
    return process.attempt(words(unit, count, since=since), deadline_seconds=_SECONDS).text.splitlines()


def last_error(unit: str, *, since: int) -> str:
    """Return the last error that it wrote since then, or its last line; "" where it wrote nothing."""
    lines = last_lines(unit, _LOOKED_AT, since=since)
    return words_of(lines)[0] if lines else ""


def words(unit: str, count: int, *, since: int) -> Sequence[str]:
    """Return the command that prints them."""
    return [
        *("journalctl", "--unit", unit, "--lines", str(count), "--since", f"@{since}"),
        *("--output", "cat", "--no-pager", "--quiet", "_TRANSPORT=stdout"),
    ]
