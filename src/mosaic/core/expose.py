"""EXPOSE: which of an app's services a link makes reachable, and by which name, path or port.

    EXPOSE  = exposure, separated by blanks or commas
    exposure = [where "="] target
    where    = name [path] | path                    as in  chat.example.org  or  chat.example.org/api  or  /api
    target   = service ":" port                      plain HTTP to the service, as the seed's files write it
             | "http://" | "https://" | "https+insecure://" | "h2c://"  then  service [":" port]
             | "tcp://" | "tcp+proxy://" | "udp://"  then  public port ":" service ":" port

Without `where` a target answers every name of the link, and every path that no
longer one takes. A path is a whole part of a path: `/api` is `/api` and all below
it, and no `/apis`; the service is asked for it unchanged. Raw ports have no name:
that is what TLS is for. `https+insecure` believes any certificate of the service,
`tcp+proxy` tells it each visitor by a head of PROXY protocol 2. The public port is
what the link's owner calls it by; which one of the gateway it is, he is told there.

`parse` tells every mistake at once, each with the words that it is in.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal

from mosaic.core.domain_name import is_name
from mosaic.core.errors import Refused
from mosaic.core.raw_ports import RawProtocol

Scheme = Literal["http", "https", "https+insecure", "h2c"]
MOST_EXPOSURES = 64
"""More than any app has services, and few enough that a wrong variable is told in one screen."""

_SCHEMES: dict[str, tuple[Scheme, int | None]] = {
    "http": ("http", 80),
    "https": ("https", 443),
    "https+insecure": ("https+insecure", 443),
    "h2c": ("h2c", None),
}
_RAW: dict[str, tuple[RawProtocol, bool]] = {"tcp": ("tcp", False), "tcp+proxy": ("tcp", True), "udp": ("udp", False)}

_SERVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)


class ExposeUnreadable(Refused):
    """EXPOSE is not of the grammar, or says two things of one place."""

    code = "expose-unreadable"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "; ".join(problems),
            hint="EXPOSE=service:port is the usual form, as in EXPOSE=nginx:80; several are separated by commas, "
            "and a name before `=` says which of the link's names leads there",
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service that speaks HTTP, and how."""

    scheme: Scheme
    service: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where requests go. `name` None is every name that no other site names; `path` "" is every path."""

    name: str | None
    path: str
    upstream: Upstream

    def __str__(self) -> str:
        where = f"{self.name or ''}{self.path}"
        return f"{where}={self.upstream}" if where else str(self.upstream)


@dataclass(frozen=True, slots=True)
class RawPort:
    """A port of the gateway that leads, unread, to a port of a service. `tells_visitor` is `tcp+proxy`."""

    protocol: RawProtocol
    public: int
    service: str
    port: int
    tells_visitor: bool = False

    def __str__(self) -> str:
        scheme = "tcp+proxy" if self.tells_visitor else self.protocol
        return f"{scheme}://{self.public}:{self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Exposed:
    """What EXPOSE says, in its order."""

    sites: tuple[Site, ...] = ()
    ports: tuple[RawPort, ...] = ()

    def __str__(self) -> str:
        return ", ".join(str(each) for each in (*self.sites, *self.ports))

    def sites_of(self, name: str) -> list[Site]:
        """Return what answers one name, the longest path first. For one path, what names it counts."""
        best: dict[str, Site] = {}
        for site in sorted(self.sites, key=lambda site: site.name is not None):
            if site.name in (None, name):
                best[site.path] = site
        return sorted(best.values(), key=lambda site: (-len(site.path), site.path))


class _Wrong(Exception):
    """One mistake, as a sentence."""


def parse(text: str, *, names: Set[str] = frozenset()) -> Exposed:
    """Read EXPOSE. `names` are the link's own, if it was told any: no exposure may name another.

    Raises:
        ExposeUnreadable: with every mistake.
    """
    words = [word for word in re.split(r"[\s,]+", text) if word]
    found: list[Site | RawPort] = []
    problems: list[str] = []
    if not words:
        problems.append("EXPOSE is empty: name the service and the port to serve")
    if len(words) > MOST_EXPOSURES:
        raise ExposeUnreadable([f"EXPOSE has {len(words)} parts, and {MOST_EXPOSURES} is the most"])
    for word in words:
        try:
            found.append(_exposure(word, names))
        except _Wrong as wrong:
            problems.append(f"{word[:120]!r} in EXPOSE: {wrong}")
    problems += _repeated(found)
    if problems:
        raise ExposeUnreadable(problems)
    sites = tuple(each for each in found if isinstance(each, Site))
    return Exposed(sites, tuple(each for each in found if isinstance(each, RawPort)))


def _exposure(word: str, names: Set[str]) -> Site | RawPort:
    where, equals, target = word.partition("=")
    if not equals:
        where, target = "", word
    elif not where or not target:
        raise _Wrong(f"nothing stands {'after' if where else 'before'} the `=`")
    scheme, slashes, rest = target.partition("://")
    if slashes and scheme in _RAW:
        if where:
            raise _Wrong("a raw port has no name or path: leave what is before `=` away")
        return _raw(scheme, rest)
    name, path = _where(where, names)
    return Site(name, path, _upstream(scheme, rest) if slashes else _plain(target))


def _where(where: str, names: Set[str]) -> tuple[str | None, str]:
    if not where:
        return None, ""
    given, slash, rest = where.partition("/")
    name, path = given.lower().removesuffix("."), f"{slash}{rest}".rstrip("/")
    if name and not is_name(name):
        raise _Wrong(f"{given!r} is no domain name")
    if name and names and name not in names:
        raise _Wrong(f"{name} is none of this link's names ({', '.join(sorted(names))})")
    if path and (not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise _Wrong(f"{slash}{rest} is no path: it has letters, digits and any of . _ ~ - between its slashes")
    return name or None, path


def _upstream(scheme: str, rest: str) -> Upstream:
    if scheme not in _SCHEMES:
        raise _Wrong(f"{scheme!r} is none of {', '.join([*_SCHEMES, *_RAW])}")
    known, usual = _SCHEMES[scheme]
    if "/" in rest.rstrip("/"):
        raise _Wrong("a service has no path here: write the path before `=`, as in /api=api:8000")
    service, colon, port = _split(rest.rstrip("/"))
    if colon:
        return Upstream(known, _service(service), _port(port))
    if usual is None:
        raise _Wrong(f"the port of {service!r} is missing")
    return Upstream(known, _service(service), usual)


def _plain(target: str) -> Upstream:
    service, colon, port = _split(target)
    if not colon:
        raise _Wrong("the port is missing: write service:port")
    return Upstream("http", _service(service), _port(port))


def _raw(scheme: str, rest: str) -> RawPort:
    public, colon, inner = rest.partition(":")
    service, second, port = _split(inner)
    if not colon or not second:
        raise _Wrong(f"it has three parts: {scheme}://public-port:service:port")
    protocol, tells_visitor = _RAW[scheme]
    return RawPort(protocol, _port(public, "the public port"), _service(service), _port(port), tells_visitor)


def _split(text: str) -> tuple[str, str, str]:
    service, colon, port = text.rpartition(":")
    return (service, colon, port) if colon else (text, "", "")


def _service(service: str) -> str:
    if not _SERVICE.fullmatch(service):
        raise _Wrong(f"{service!r} is no service's name" if service else "the service is missing")
    return service


def _port(port: str, called: str = "the port") -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise _Wrong(f"{called} is {port!r}, and not a number from 1 to 65535" if port else f"{called} is missing")
    return int(port)


def _repeated(found: Sequence[Site | RawPort]) -> list[str]:
    """Say where two exposures are for one place."""
    seen: dict[str, Site | RawPort] = {}
    problems = []
    for each in found:
        before = seen.setdefault(_place(each), each)
        if before is not each:
            problems.append(f"{_place(each)} leads to both {_target(before)} and {_target(each)} in EXPOSE")
    return problems


def _place(each: Site | RawPort) -> str:
    if isinstance(each, RawPort):
        return f"{each.protocol} port {each.public}"
    return f"{each.name or 'every name'}{each.path or ', every path,'}"


def _target(each: Site | RawPort) -> str:
    return str(each.upstream) if isinstance(each, Site) else f"{each.service}:{each.port}"
