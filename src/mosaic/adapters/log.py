"""A log for small processes: one JSON object a line on stderr, an event in the past tense and its nouns.

For those whose memory is counted; the usual library loads a terminal's worth
of colours with it. Secrets are never given to it.
"""

import sys
import traceback
from datetime import UTC, datetime

import msgspec

Fact = str | int | float | bool | None


def info(event: str, **facts: Fact) -> None:
    """Log what went as it should."""
    _write("info", event, facts)


def warning(event: str, **facts: Fact) -> None:
    """Log what a person may want to know about."""
    _write("warning", event, facts)


def error(event: str, **facts: Fact) -> None:
    """Log what a person must know about."""
    _write("error", event, facts)


def mistake(event: str, cause: Exception, **facts: Fact) -> None:
    """Log an exception that nobody expected, with its traceback."""
    trace = "".join(traceback.format_exception(cause))
    _write("error", event, {**facts, "traceback": trace})


def _write(level: str, event: str, facts: dict[str, Fact]) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = msgspec.json.encode({"at": at, "level": level, "event": event, **facts}).decode()
    # One write, so that lines of several threads do not mix.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
