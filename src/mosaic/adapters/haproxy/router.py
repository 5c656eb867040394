"""Telling a running HAProxy its routes, and asking it what they carried: a Router of `gateway.router`.

HAProxy is asked what it has, each time; nothing is remembered here. So a Router
that is made anew, beside a HAProxy that went on, is as good as the one before.
"""

import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from mosaic.adapters.haproxy import words
from mosaic.adapters.haproxy.configuration import ADMIN_SOCKET, ROUTES_FILE, TLS_FRONTEND
from mosaic.adapters.haproxy.routes_file import RoutesFile
from mosaic.adapters.haproxy.runtime import LINE_BYTES, HaproxyRefused, Runtime
from mosaic.adapters.haproxy.severing import sever
from mosaic.core.errors import Refused
from mosaic.core.link_routes import Route, Traffic

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}", re.ASCII)
_FEW = 32
"""So many routes are changed one by one, a millisecond each among 10,000; for more all are written anew."""

_LOAD_FIELDS = ("scur", "slim", "stot", "dreq", "dcon")
_END_SECONDS = 1.0
"""How long HAProxy is given to end connections, which takes it some milliseconds."""

_LOOK_SECONDS = 0.01


class RouteRefused(Refused):
    """A name or an address is none that HAProxy could be told. Nothing was changed."""

    code = "route-refused"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what[:80]!r} cannot be routed", hint="names are lower-case DNS names, addresses IPv4")


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the router is. `refused` connections had no name, or one without a route, or were over a limit."""

    open: int
    most: int
    opened: int
    refused: int


class HaproxyRouter:
    """The routes of the HAProxy that runs in a folder. Threads may share it; processes may not.

    A change is in the map file before HAProxy is told: where this raises HaproxySilent, a
    HAProxy that starts has it. All methods raise HaproxySilent, and those that change FileNotWritten.
    """

    def __init__(self, folder: Path) -> None:
        self._runtime = Runtime(folder / ADMIN_SOCKET)
        self._file = RoutesFile(folder / ROUTES_FILE)
        self._changing = threading.Lock()

    def put(self, routes: Mapping[str, Route]) -> None:
        """Add these routes, or replace those of the same names; open connections stay.

        Raises:
            RouteRefused: one of them cannot be told; none was taken.
        """
        wanted = {_name(name): _address(route.address) for name, route in routes.items()}
        with self._changing:
            self._file.change(wanted, ())
            if len(wanted) > _FEW:
                self._replace({**self.addresses(), **wanted})
                return
            have = self._present(wanted)
            _require_silence(
                self._runtime.ask_each(
                    words.set_route(name, address) if name in have else words.add_route(name, address)
                    for name, address in wanted.items()
                    if have.get(name) != address
                )
            )

    def remove(self, names: Collection[str]) -> None:
        """Remove these routes and end their open connections, and those that an interrupted removal left open.

        Without NET_ADMIN one stays whose visitor has ended his own direction, until its link has said nothing for
        five minutes. What the names carried is forgotten.
        """
        leaving = {name for name in names if _NAME.fullmatch(name)}  # no other name can have a route
        with self._changing:
            self._file.change({}, leaving)
            # Before the routes are: one that is opened in between has its route among them.
            before = self._sessions()
            routed = self._routed({session.name for session in before}, without=leaving)
            if len(leaving) > _FEW:
                self._replace({name: to for name, to in self.addresses().items() if name not in leaving})
            else:
                # One that is not there is answered with a sentence, and is no error.
                self._runtime.ask_each(map(words.delete_route, leaving))
        self._tell_to_end({session.source for session in before if session.name not in routed})
        self._end(lambda session: session.name in leaving)
        # One that is not there, or is held by what would not end, is answered with a sentence.
        self._runtime.ask_each(map(words.forget_name, leaving))

    def end_connections(self, addresses: Collection[str]) -> None:
        """End the open connections to these tunnel addresses; their routes stay. See `remove` for what is not ended."""
        self._end(lambda session: session.address in addresses)

    def addresses(self) -> dict[str, str]:
        """Return the tunnel address of every name, as HAProxy has it now."""
        return words.routes_of(self._runtime.ask(words.ALL_ROUTES))

    def traffic(self, names: Collection[str] | None = None) -> dict[str, Traffic]:
        """Return what the connections of these routed names carried since HAProxy started; of all for None.

        Bytes are exact of connections that have ended, and at most some seconds late of open ones. TLS alone is
        counted, as visitors sent and received it.
        """
        asked = [name for name in names if _NAME.fullmatch(name)] if names is not None else None
        if asked is None or len(asked) > _FEW:
            counted = words.counted_of(self._runtime.ask(words.ALL_NAMES))
            routed: Iterable[str] = self.addresses()
        else:
            said = self._runtime.ask_each(map(words.count_of, asked))
            counted = {name: one for each in said for name, one in words.counted_of(each).items()}
            routed = self._present(asked)
        return {name: _traffic(counted.get(name)) for name in routed if names is None or name in names}

    def load(self) -> Load:
        """Return how busy HAProxy is with TLS."""
        row = words.statistics_of(self._runtime.ask(words.STATISTICS), TLS_FRONTEND)
        now, most, opened, unnamed, over = (int(row.get(field) or 0) for field in _LOAD_FIELDS)
        return Load(now, most, opened, unnamed + over)

    def _routed(self, names: Set[str], *, without: Set[str]) -> Set[str]:
        """Return those of these names that are routed."""
        asked = names - without
        return asked & (self.addresses() if len(asked) > _FEW else self._present(asked)).keys()

    def _present(self, names: Collection[str]) -> dict[str, str]:
        """Return those of these few names that are routed."""
        asked = sorted(names)
        found = map(words.route_of, self._runtime.ask_each(map(words.get_route, asked)))
        return {name: address for name, address in zip(asked, found, strict=True) if address is not None}

    def _replace(self, routes: Mapping[str, str]) -> None:
        """Have these routes instead of all there are, at once."""
        said = self._runtime.ask(words.prepare_version())
        version = words.version_of(said)
        if version is None:
            raise HaproxyRefused(said.strip())
        for command in words.add_to_version(version, routes, LINE_BYTES):
            _require_silence([self._runtime.ask(command).strip()])
        _require_silence([self._runtime.ask(words.commit_version(version)).strip()])

    def _end(self, is_meant: Callable[[words.Session], bool]) -> None:
        """End connections, and return when they are gone, or as good as that."""
        deadline, pause = time.monotonic() + _END_SECONDS, threading.Event()
        while left := {session.source for session in self._sessions() if is_meant(session)}:
            self._tell_to_end(left)
            if time.monotonic() > deadline:
                sever(left)
                return
            pause.wait(_LOOK_SECONDS)

    def _tell_to_end(self, sources: Set[str]) -> None:
        """Have the connections from these `address:port` ended."""
        if sources:
            streams = words.streams_of(self._runtime.ask(words.ALL_STREAMS))
            # A stream that ended meanwhile is answered with a sentence; the next look tells.
            self._runtime.ask_each(words.end_stream(streams[source]) for source in sources & streams.keys())

    def _sessions(self) -> list[words.Session]:
        return words.sessions_of(self._runtime.ask(words.OPEN_SESSIONS))


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RouteRefused(name)
    return name


def _address(address: str) -> str:
    try:
        return str(IPv4Address(address))
    except AddressValueError:
        raise RouteRefused(address) from None


def _require_silence(answers: Iterable[str]) -> None:
    """Raise HaproxyRefused unless each command was taken, which HAProxy says nothing of."""
    for said in answers:
        if said:
            raise HaproxyRefused(said)


def _traffic(counted: words.Counted | None) -> Traffic:
    if counted is None:
        return Traffic()
    return Traffic(counted.open, counted.opened, counted.received_bytes, counted.sent_bytes)
