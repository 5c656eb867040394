"""The routes of a router, what goes by each, and what each carried."""

import asyncio
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mosaic.adapters.splicing import Carried
from mosaic.core.link_routes import Route, Traffic


@dataclass(eq=False, slots=True)
class Passage:
    """One visitor's connection that has a route. `first_bytes` are those that were read before it was joined."""

    name: str
    address: str
    first_bytes: int
    task: asyncio.Task[None]
    carried: Carried = field(default_factory=Carried)


@dataclass(slots=True)
class _Tally:
    """What a name's connections carried: those that are over, and those that are open."""

    opened: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    passages: set[Passage] = field(default_factory=set)


class RouteBook:
    """Any thread may read and change the routes; passages come and go in the router's own.

    A passage is entered in the same instant in which its route is looked up, so
    whoever ends the passages of a route that he removed misses none.
    """

    def __init__(self, *, per_name: int) -> None:
        """`per_name` is how many passages may be open by one name."""
        self._per_name = per_name
        self._lock = threading.Lock()
        self._routes: dict[str, Route] = {}
        self._tallies: dict[str, _Tally] = {}
        self._open: set[Passage] = set()

    def put(self, routes: Mapping[str, Route]) -> None:
        """Add routes, or replace those of the same names."""
        with self._lock:
            self._routes.update(routes)
            for name in routes:
                self._tallies.setdefault(name, _Tally())

    def remove(self, names: Iterable[str]) -> list[Passage]:
        """Forget the routes of these names with what they carried, and return the passages that came by them."""
        with self._lock:
            ending: list[Passage] = []
            for name in names:
                self._routes.pop(name, None)
                tally = self._tallies.pop(name, None)
                ending += tally.passages if tally is not None else ()
            return ending

    def passages_to(self, addresses: Collection[str]) -> list[Passage]:
        """Return the open passages to these tunnel addresses."""
        with self._lock:
            return [passage for passage in self._open if passage.address in addresses]

    def addresses(self) -> dict[str, str]:
        """Return the tunnel address of each name."""
        with self._lock:
            return {name: route.address for name, route in self._routes.items()}

    def address(self, name: str) -> str | None:
        """Return the tunnel address of one name, or None."""
        with self._lock:
            route = self._routes.get(name)
            return route.address if route is not None else None

    def traffic(self, names: Collection[str] | None = None) -> dict[str, Traffic]:
        """Return what the connections of these names carried, of all names for None."""
        with self._lock:
            if names is None:
                return {name: _traffic(tally) for name, tally in self._tallies.items()}
            return {name: _traffic(tally) for name in names if (tally := self._tallies.get(name)) is not None}

    def enter(self, name: str, first_bytes: int, task: asyncio.Task[None]) -> Passage | None:
        """Enter a passage by the route of a name; None when it has none, or when enough are open by it."""
        with self._lock:
            route = self._routes.get(name)
            if route is None or len(self._tallies[name].passages) >= self._per_name:
                return None
            passage = Passage(name, route.address, first_bytes, task)
            tally = self._tallies[name]
            tally.opened += 1
            tally.passages.add(passage)
            self._open.add(passage)
            return passage

    def leave(self, passage: Passage) -> None:
        """Count a passage among those that are over."""
        with self._lock:
            self._open.discard(passage)
            tally = self._tallies.get(passage.name)
            # A name that was removed, and perhaps routed again, counts anew.
            if tally is None or passage not in tally.passages:
                return
            tally.passages.discard(passage)
            tally.received_bytes += passage.first_bytes + passage.carried.to_other
            tally.sent_bytes += passage.carried.to_one


def _traffic(tally: _Tally) -> Traffic:
    return Traffic(
        open=len(tally.passages),
        opened=tally.opened,
        received_bytes=tally.received_bytes
        + sum(passage.first_bytes + passage.carried.to_other for passage in tally.passages),
        sent_bytes=tally.sent_bytes + sum(passage.carried.to_one for passage in tally.passages),
    )
