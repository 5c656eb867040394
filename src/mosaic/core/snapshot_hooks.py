"""What an app wants to be run in its containers around a snapshot, as its compose file says.

    x-mosaic:
      snapshot:
        before: {service: db, command: [pg_dump, -Fc, -f, /dump/app.dump, app], timeout_seconds: 60}
        after: {service: db, command: [rm, -f, /dump/app.dump]}
        every_seconds: 3600

`x-mosaic` is read strictly: a word that nobody knows is refused, because a
hook that was misspelled would be missed on the day when its dump is needed.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_mapping, as_text
from mosaic.core.extension_reading import KEYS, command_words, only_known, whole_number
from mosaic.core.ids import ServiceName
from mosaic.core.link_service import require_no_link

DEFAULT_TIMEOUT_SECONDS = 60
MAX_TIMEOUT_SECONDS = 1800
DEFAULT_EVERY_SECONDS = 3600
MIN_EVERY_SECONDS = 60
MAX_EVERY_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Hook:
    """One command in the container of one service: an argument list, no shell."""

    service: ServiceName
    command: tuple[str, ...]
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class SnapshotHooks:
    """`before` makes the files ready to be cut, `after` undoes what it did; every `every_seconds`."""

    before: Hook
    after: Hook | None = None
    every_seconds: int = DEFAULT_EVERY_SECONDS


def snapshot_hooks(compose: Compose) -> SnapshotHooks | None:
    """Return the app's hooks, None when it names none.

    Raises:
        ComposeInvalid: what is under `x-mosaic` cannot be meant so.
    """
    about = as_mapping(compose.rest.get("x-mosaic"), "x-mosaic")
    only_known(about, KEYS, "x-mosaic")
    if "snapshot" not in about:
        return None
    wish = as_mapping(about["snapshot"], "x-mosaic.snapshot")
    only_known(wish, ("before", "after", "every_seconds"), "x-mosaic.snapshot")
    if wish.get("before") is None:
        raise ComposeInvalid(
            "x-mosaic.snapshot names no command to run before a snapshot",
            hint="add `before: {service: NAME, command: [PROGRAM, ARGUMENT]}`, or remove `snapshot`",
        )
    after = wish.get("after")
    return SnapshotHooks(
        before=_hook(wish["before"], "x-mosaic.snapshot.before", compose),
        after=None if after is None else _hook(after, "x-mosaic.snapshot.after", compose),
        every_seconds=whole_number(
            wish,
            "every_seconds",
            "x-mosaic.snapshot",
            default=DEFAULT_EVERY_SECONDS,
            least=MIN_EVERY_SECONDS,
            most=MAX_EVERY_SECONDS,
        ),
    )


def _hook(told: Json, where: str, compose: Compose) -> Hook:
    wish = as_mapping(told, where)
    only_known(wish, ("service", "command", "timeout_seconds"), where)
    service = ServiceName(as_text(wish.get("service"), f"{where}.service"))
    if service not in compose.services:
        raise ComposeInvalid(
            f"{where} names the service {service}, which the app does not have",
            hint=f"name one of {', '.join(sorted(compose.services))}",
        )
    require_no_link(compose, service, where)
    timeout = whole_number(
        wish, "timeout_seconds", where, default=DEFAULT_TIMEOUT_SECONDS, least=1, most=MAX_TIMEOUT_SECONDS
    )
    return Hook(service, command_words(wish.get("command"), f"{where}.command"), timeout)


_SECRET_WORDS = ("PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "DSN", "URL", "URI", "AUTH")
_SHORTEST_HIDDEN = 4
_LONGEST_WORDS = 200
_FIRST_PAUSE_SECONDS = 60
_IN_AN_ADDRESS = re.compile(r"://[^/\s:@]*:[^@\s]+@")


def values_to_hide(named: Mapping[str, str]) -> frozenset[str]:
    """Return those values whose names say that they may be secrets."""
    return frozenset(
        value
        for name, value in named.items()
        if len(value) >= _SHORTEST_HIDDEN and any(word in name.upper() for word in _SECRET_WORDS)
    )


def last_words(output: str, hidden: Collection[str]) -> str:
    """Return the last line that a command said, short, printable, and without the values in `hidden`.

    Passwords within addresses are left out wherever they come from.
    """
    for value in sorted(hidden, key=len, reverse=True):
        output = output.replace(value, "…")
    output = _IN_AN_ADDRESS.sub("://…@", output)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    last = "".join(letter if letter.isprintable() else " " for letter in lines[-1]) if lines else ""
    return last if len(last) <= _LONGEST_WORDS else last[: _LONGEST_WORDS - 1] + "…"


def due_in_seconds(every_seconds: int, *, now_ns: int, last_ns: int | None, failures: int, failed_ns: int) -> float:
    """Return how long until the next app-consistent snapshot, 0 for now.

    One that failed is tried again after a minute, then ever more seldom, but
    at least as often as the app asks for. A clock that was set back makes
    nobody wait longer than one interval.
    """
    if failures:
        pause, since_ns = min(every_seconds, _FIRST_PAUSE_SECONDS << min(failures - 1, 16)), failed_ns
    elif last_ns is None:
        return 0.0
    else:
        pause, since_ns = every_seconds, last_ns
    return min(float(pause), max(0.0, pause - (now_ns - since_ns) / 10**9))
