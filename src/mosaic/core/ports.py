"""Deciding which host port each published port of an app gets.

An earlier choice is kept while it is free; a literal host port is kept if it
is free, else the next free one is taken; a port without one gets the first
free port from 20000. The same question always has the same answer.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from mosaic.core.errors import Refused

FIRST_FREE_CHOICE = 20000
LAST_PORT = 65535


class PortKey(NamedTuple):
    """What a choice is remembered by."""

    service: str
    container_port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A published port. `first` is the literal host port, None for any; `last` ends a range, None for no limit."""

    key: PortKey
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """A published port and the host port that it got."""

    key: PortKey
    host_port: int


class NoPortFree(Refused):
    """Every port that would do is taken."""

    code = "no-port-free"

    def __init__(self, wanted: Wanted, first: int, last: int) -> None:
        super().__init__(
            f"no port from {first} to {last} is free for {wanted.key.service}'s port {wanted.key.container_port}",
            hint="stop what uses one of them, or change the port in the compose file",
        )


def allocate(wanted: Sequence[Wanted], taken: Set[tuple[str, int]], preferred: Mapping[PortKey, int]) -> list[Assigned]:
    """Give every wanted port a host port of its own, in their order. `taken` has (protocol, port).

    Literal ports and earlier choices are served before anything is searched
    for, so that no service takes what another one names.

    Raises:
        NoPortFree: a range, or everything, is taken.
    """
    used = set(taken)
    given: dict[int, int] = {}
    for choices in (_earlier(wanted, preferred), _literal(wanted)):
        for place, port in choices:
            protocol = wanted[place].key.protocol
            if place not in given and (protocol, port) not in used:
                given[place] = port
                used.add((protocol, port))
    # Where the last search from the same port ended: what lies before it is used, and stays so.
    ended: dict[tuple[str, int], int] = {}
    for place, wish in enumerate(wanted):
        if place not in given:
            begin = (wish.key.protocol, FIRST_FREE_CHOICE if wish.first is None else wish.first)
            given[place] = ended[begin] = _search(wish, begin[1], ended.get(begin, begin[1]), used)
            used.add((wish.key.protocol, given[place]))
    return [Assigned(wish.key, given[place]) for place, wish in enumerate(wanted)]


def _earlier(wanted: Sequence[Wanted], preferred: Mapping[PortKey, int]) -> Iterable[tuple[int, int]]:
    return [(place, preferred[wish.key]) for place, wish in enumerate(wanted) if wish.key in preferred]


def _literal(wanted: Sequence[Wanted]) -> Iterable[tuple[int, int]]:
    return [(place, wish.first) for place, wish in enumerate(wanted) if wish.first is not None]


def _search(wish: Wanted, first: int, begin: int, used: Set[tuple[str, int]]) -> int:
    last = LAST_PORT if wish.last is None else wish.last
    free = (port for port in range(begin, last + 1) if (wish.key.protocol, port) not in used)
    found = next(free, None)
    if found is None:
        raise NoPortFree(wish, first, last)
    return found
