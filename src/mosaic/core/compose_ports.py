"""Reading a service's `ports`: short or long, single or range, any protocol.

The host address that the file asks for is left out: where a port is bound is
the owner's decision, not the app's.
"""

import re
from typing import NamedTuple

from mosaic.core.compose_document import ComposeInvalid, Json, as_list, as_text
from mosaic.core.ids import ServiceName
from mosaic.core.ports import LAST_PORT, PortKey, Wanted

_SHORT = re.compile(
    r"^(?:(?:\[[0-9a-fA-F:.]*\]|[^:\[\]/]*):)??"  # host address
    r"(?:(?P<host>[0-9]*(?:-[0-9]+)?):)?"
    r"(?P<container>[0-9]+(?:-[0-9]+)?)"
    r"(?:/(?P<protocol>tcp|udp|sctp))?$"
)
_RANGE = re.compile(r"^([0-9]+)(?:-([0-9]+))?$")
_PROTOCOLS = ("tcp", "udp", "sctp")

MOST_PORTS = 4096
"""What an app may publish. Each is an object, a look at the operating system and a proxy of the engine's."""


class _Span(NamedTuple):
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


class _Entry(NamedTuple):
    """One entry of `ports`; `outside` is None where any host port will do."""

    inside: _Span
    outside: _Span | None
    protocol: str


def read_ports(service: ServiceName, value: Json, *, most: int = MOST_PORTS) -> list[Wanted]:
    """Return every published port of a service; ranges become one entry a port.

    `most` is how many the app may still publish.

    Raises:
        ComposeInvalid: an entry that is no port, ranges that do not fit one another, or too many ports.
    """
    where = f"ports of service {service}"
    entries = [_read_entry(entry, where) for entry in as_list(value, where)]
    # Counted before they are written out: a few short lines can name millions.
    if sum(entry.inside.size for entry in entries) > most:
        raise ComposeInvalid(
            f"the app publishes more than {MOST_PORTS} ports, counted up to {where}",
            hint="publish a smaller range; most servers can be told which ports they may use",
        )
    return [wanted for entry in entries for wanted in _expand(service, entry)]


def _read_entry(entry: Json, where: str) -> _Entry:
    if isinstance(entry, dict):
        return _long(entry, where)
    text = as_text(entry, where).strip()
    found = _SHORT.match(text)
    if found is None:
        raise _no_port(text, where)
    return _entry(found["host"] or "", found["container"], found["protocol"] or "tcp", where)


def _long(entry: dict[str, Json], where: str) -> _Entry:
    if "target" not in entry:
        raise ComposeInvalid(f"{where} has an entry without `target`", hint="name the container's port as `target:`")
    published = entry.get("published")
    host = "" if published is None else as_text(published, where)
    protocol = as_text(entry.get("protocol") or "tcp", where)
    if protocol not in _PROTOCOLS:
        raise _no_port(protocol, where)
    return _entry(host, as_text(entry["target"], where), protocol, where)


def _entry(host: str, container: str, protocol: str, where: str) -> _Entry:
    inside = _span(container, where)
    outside = _span(host, where) if host else None
    if outside is not None and inside.size not in (1, outside.size):
        raise ComposeInvalid(
            f"{where} has {host}:{container}, two ranges of different length", hint="make both ranges equally long"
        )
    return _Entry(inside, outside, protocol)


def _expand(service: ServiceName, entry: _Entry) -> list[Wanted]:
    inside, outside, protocol = entry
    keys = [PortKey(service, port, protocol) for port in range(inside.first, inside.last + 1)]
    if outside is None:
        return [Wanted(key) for key in keys]
    if inside.size == 1 and outside.size > 1:
        return [Wanted(keys[0], outside.first, outside.last)]
    return [Wanted(key, outside.first + place) for place, key in enumerate(keys)]


def _span(text: str, where: str) -> _Span:
    found = _RANGE.match(text)
    if found is None:
        raise _no_port(text, where)
    span = _Span(int(found[1]), int(found[2] or found[1]))
    if not 1 <= span.first <= span.last <= LAST_PORT:
        raise _no_port(text, where)
    return span


def _no_port(text: str, where: str) -> ComposeInvalid:
    return ComposeInvalid(
        f"{where} has {text!r}, which is no port", hint='write "HOST:CONTAINER" with ports from 1 to 65535'
    )
