"""The words of HAProxy's runtime socket, and what its answers say. Pure.

A line may hold several commands, parted by `;`, and each answer ends with an empty
line. So that no name can become a command, all words are checked here, once more,
against the few characters that names, addresses and ids are made of.

Source: HAProxy 2.6, management guide 9.3 (`add map`, `show sess`, `show table`, …).
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mosaic.adapters.haproxy.configuration import KEY_SEPARATOR, NAMES, ROUTES_FILE, SESSIONS

INFO = "show info"
ALL_ROUTES = f"show map {ROUTES_FILE}"
ALL_NAMES = f"show table {NAMES}"
OPEN_SESSIONS = f"show table {SESSIONS} data.conn_cur gt 0"
ALL_STREAMS = "show sess"
STATISTICS = "show stat"

_WORD = re.compile(r"[A-Za-z0-9._:-]+", re.ASCII)
_ROUTE = re.compile(r"0x[0-9a-f]+ (\S+) (\S+)")
_VALUE = re.compile(r'found=yes,.* value="([^"]*)"')
_VERSION = re.compile(r"New version created: (\d+)")
_STREAM = re.compile(r"(0x[0-9a-f]+): .*?\bsrc=(\S+)")
_FIELD = re.compile(r"(\w+(?:\(\d+\))?)=(\S+)")


@dataclass(frozen=True, slots=True)
class Session:
    """An open connection: by which name it came, where it goes, and its visitor's `address:port`."""

    name: str
    address: str
    source: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What HAProxy counted of one name."""

    open: int
    opened: int
    received_bytes: int
    sent_bytes: int


def get_route(name: str) -> str:
    """Ask for one route."""
    return f"get map {ROUTES_FILE} {_word(name)}"


def add_route(name: str, address: str) -> str:
    """Add a route that is not there."""
    return f"add map {ROUTES_FILE} {_word(name)} {_word(address)}"


def set_route(name: str, address: str) -> str:
    """Give a route that is there another address."""
    return f"set map {ROUTES_FILE} {_word(name)} {_word(address)}"


def delete_route(name: str) -> str:
    """Remove a route."""
    return f"del map {ROUTES_FILE} {_word(name)}"


def prepare_version() -> str:
    """Begin a new version of all routes, to be filled and then put in place of those of now."""
    return f"prepare map {ROUTES_FILE}"


def add_to_version(version: int, routes: Mapping[str, str], most_bytes: int) -> Iterator[str]:
    """Add routes to a new version. Each command has as many as fit; a payload ends with an empty line."""
    first = f"add map @{version} {ROUTES_FILE} <<\n"
    for lines in lines_of((f"{_word(name)} {_word(address)}" for name, address in routes.items()), most_bytes):
        yield first + "".join(f"{line}\n" for line in lines)


def commit_version(version: int) -> str:
    """Put a new version in place of the routes of now, all at once."""
    return f"commit map @{version} {ROUTES_FILE}"


def count_of(name: str) -> str:
    """Ask what was counted of a name; read by `counted_of`."""
    return f"show table {NAMES} key {_word(name)}"


def forget_name(name: str) -> str:
    """Forget what was counted of a name."""
    return f"clear table {NAMES} key {_word(name)}"


def end_stream(stream: str) -> str:
    """Shut one connection, by the id that `streams` returned."""
    return f"shutdown session {_word(stream)}"


def answers(said: str) -> list[str]:
    """Part what several commands of one line answered."""
    found: list[list[str]] = [[]]
    for line in said.splitlines():
        if line:
            found[-1].append(line)
        else:
            found.append([])
    return ["\n".join(lines) for lines in found[:-1]]


def route_of(said: str) -> str | None:
    """Read `get_route`: the address, None for no such route."""
    found = _VALUE.search(said)
    return found and found[1]


def version_of(said: str) -> int | None:
    """Read `prepare_version`; None when there is none."""
    found = _VERSION.search(said)
    return int(found[1]) if found else None


def routes_of(said: str) -> dict[str, str]:
    """Read `ALL_ROUTES`."""
    return {found[1]: found[2] for found in map(_ROUTE.match, said.splitlines()) if found}


def sessions_of(said: str) -> list[Session]:
    """Read `OPEN_SESSIONS`."""
    parted = (key.split(KEY_SEPARATOR) for key, _ in _entries(said))
    return [Session(*parts) for parts in parted if len(parts) == 3]


def streams_of(said: str) -> dict[str, str]:
    """Read `ALL_STREAMS`: ids by the visitor's `address:port`."""
    return {found[2]: found[1] for found in map(_STREAM.match, said.splitlines()) if found}


def counted_of(said: str) -> dict[str, Counted]:
    """Read `ALL_NAMES`, or `count_of` of one."""
    fields = ("conn_cur", "conn_cnt", "bytes_in_cnt", "bytes_out_cnt")
    return {name: Counted(*(int(entry.get(field, "0")) for field in fields)) for name, entry in _entries(said)}


def information_of(said: str) -> dict[str, str]:
    """Read `INFO`."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in said.splitlines())}


def statistics_of(said: str, frontend: str) -> dict[str, str]:
    """Read of `STATISTICS` what it says of one frontend; empty where that is not there."""
    rows = csv.DictReader(said.removeprefix("# ").splitlines())
    return next((row for row in rows if row["pxname"] == frontend and row["svname"] == "FRONTEND"), {})


def _entries(said: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the entries of a table: the key, and its fields."""
    for line in said.splitlines():
        fields = dict(_FIELD.findall(line)) if line.startswith("0x") else {}
        if "key" in fields:
            yield fields["key"], fields


def lines_of(commands: Iterable[str], most_bytes: int) -> Iterator[list[str]]:
    """Part commands, or lines of a payload, into as few groups as hold them."""
    line: list[str] = []
    size = 0
    for command in commands:
        if line and size + len(command) + 1 > most_bytes:
            yield line
            line, size = [], 0
        line.append(command)
        size += len(command) + 1
    if line:
        yield line


def _word(word: str) -> str:
    if not _WORD.fullmatch(word):
        raise ValueError(f"{word!r} is no word for the runtime socket")
    return word
