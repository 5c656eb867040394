"""The daemon's log: one JSON object a line on stderr, an event in the past tense and its nouns.

A few lines of our own because the usual library costs this process a quarter
of its memory (docs/decisions/0010-storage-daemon-uses-threads.md). Secrets
are never given to it.
"""

import sys
import traceback
from datetime import UTC, datetime

import msgspec


def info(event: str, **facts: str | int | float | None) -> None:
    """Log what went as it should."""
    _write("info", event, facts)


def warning(event: str, **facts: str | int | float | None) -> None:
    """Log what a person may want to know about."""
    _write("warning", event, facts)


def mistake(error: Exception, **facts: str | int | float | None) -> None:
    """Log an exception that nobody expected, with its traceback."""
    trace = "".join(traceback.format_exception(error))
    _write("error", "internal_error", {**facts, "traceback": trace})


def _write(level: str, event: str, facts: dict[str, str | int | float | None]) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = msgspec.json.encode({"at": at, "level": level, "event": event, **facts}).decode()
    # One write, so that lines of several threads do not mix.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
