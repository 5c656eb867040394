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


class _Span(NamedTuple):
    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def read_ports(service: ServiceName, value: Json) -> list[Wanted]:
    """Return every published port of a service; ranges become one entry a port.

    Raises:
        ComposeInvalid: an entry that is no port, or ranges that do not fit one another.
    """
    where = f"ports of service {service}"
    return [wanted for entry in as_list(value, where) for wanted in _read_port(service, entry, where)]


def _read_port(service: ServiceName, entry: Json, where: str) -> list[Wanted]:
    if isinstance(entry, dict):
        return _long(service, entry, where)
    text = as_text(entry, where).strip()
    if isinstance(entry, int) and entry > LAST_PORT:
        # YAML reads 3000:30 as a number in base 60.
        raise ComposeInvalid(f"{where} has {text}, which is no port", hint='put the entry in quotation marks: "80:80"')
    found = _SHORT.match(text)
    if found is None:
        raise _no_port(text, where)
    return _expand(service, found["host"] or "", found["container"], found["protocol"] or "tcp", where)


def _long(service: ServiceName, entry: dict[str, Json], where: str) -> list[Wanted]:
    if "target" not in entry:
        raise ComposeInvalid(f"{where} has an entry without `target`", hint="name the container's port as `target:`")
    published = entry.get("published")
    host = "" if published is None else as_text(published, where)
    protocol = as_text(entry.get("protocol") or "tcp", where)
    if protocol not in _PROTOCOLS:
        raise _no_port(protocol, where)
    return _expand(service, host, as_text(entry["target"], where), protocol, where)


def _expand(service: ServiceName, host: str, container: str, protocol: str, where: str) -> list[Wanted]:
    inside = _span(container, where)
    outside = _span(host, where) if host else None
    keys = [PortKey(service, port, protocol) for port in range(inside.first, inside.last + 1)]
    if outside is None:
        return [Wanted(key) for key in keys]
    if inside.size == 1 and outside.size > 1:
        return [Wanted(keys[0], outside.first, outside.last)]
    if inside.size != outside.size:
        raise ComposeInvalid(
            f"{where} has {host}:{container}, two ranges of different length", hint="make both ranges equally long"
        )
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
