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

from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_list, as_mapping, as_text
from mosaic.core.ids import ServiceName

DEFAULT_TIMEOUT_SECONDS = 60
MAX_TIMEOUT_SECONDS = 1800
DEFAULT_EVERY_SECONDS = 3600
MIN_EVERY_SECONDS = 60
MAX_EVERY_SECONDS = 7 * 24 * 3600
MAX_WORDS = 64
MAX_COMMAND_BYTES = 8192

_KNOWN = ("title", "summary", "snapshot")


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
    _only_known(about, _KNOWN, "x-mosaic")
    if "snapshot" not in about:
        return None
    wish = as_mapping(about["snapshot"], "x-mosaic.snapshot")
    _only_known(wish, ("before", "after", "every_seconds"), "x-mosaic.snapshot")
    if wish.get("before") is None:
        raise ComposeInvalid(
            "x-mosaic.snapshot names no command to run before a snapshot",
            hint="add `before: {service: NAME, command: [PROGRAM, ARGUMENT]}`, or remove `snapshot`",
        )
    after = wish.get("after")
    return SnapshotHooks(
        before=_hook(wish["before"], "x-mosaic.snapshot.before", compose),
        after=None if after is None else _hook(after, "x-mosaic.snapshot.after", compose),
        every_seconds=_seconds(
            wish, "every_seconds", "x-mosaic.snapshot", DEFAULT_EVERY_SECONDS, MIN_EVERY_SECONDS, MAX_EVERY_SECONDS
        ),
    )


def _hook(told: Json, where: str, compose: Compose) -> Hook:
    wish = as_mapping(told, where)
    _only_known(wish, ("service", "command", "timeout_seconds"), where)
    service = ServiceName(as_text(wish.get("service"), f"{where}.service"))
    if service not in compose.services:
        raise ComposeInvalid(
            f"{where} names the service {service}, which the app does not have",
            hint=f"name one of {', '.join(sorted(compose.services))}",
        )
    timeout = _seconds(wish, "timeout_seconds", where, DEFAULT_TIMEOUT_SECONDS, 1, MAX_TIMEOUT_SECONDS)
    return Hook(service, _command(wish.get("command"), f"{where}.command"), timeout)


def _command(told: Json, where: str) -> tuple[str, ...]:
    if isinstance(told, str):
        raise ComposeInvalid(
            f"{where} is one text, and no shell takes it apart",
            hint='write it as a list, for instance ["pg_dump", "-f", "/dump/app.sql"], or ["sh", "-c", "…"]',
        )
    words = tuple(as_text(word, where) for word in as_list(told, where))
    if not words or not words[0]:
        raise ComposeInvalid(f"{where} is empty", hint="name the program to run: `command: [PROGRAM, ARGUMENT]`")
    size = sum(len(word.encode(errors="surrogatepass")) + 1 for word in words)
    if len(words) > MAX_WORDS or size > MAX_COMMAND_BYTES or any("\0" in word for word in words):
        raise ComposeInvalid(
            f"{where} is longer than {MAX_WORDS} words or {MAX_COMMAND_BYTES} bytes, or has a zero byte",
            hint="put it into a script in the image, and name that",
        )
    return words


def _seconds(wish: Mapping[str, Json], key: str, where: str, default: int, least: int, most: int) -> int:
    told = wish.get(key, default)
    # Variables that were filled in are text.
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int) or not least <= told <= most:
        raise ComposeInvalid(
            f"{where}.{key} is not a whole number of seconds from {least} to {most}",
            hint=f"write for instance `{key}: {default}`",
        )
    return told


def _only_known(wish: Mapping[str, Json], known: Collection[str], where: str) -> None:
    for key in wish:
        if key not in known:
            raise ComposeInvalid(
                f"{where} has the key {key}, which means nothing here",
                hint=f"its keys are {', '.join(known)}; correct the spelling, or remove it",
            )


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
