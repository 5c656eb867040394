"""What a LAN front is told for HTTPS: one more server, and the authority that signs for its names.

Everything but `is_fit` is pure.

On loopback each app has `https://<name>.localhost`. An app that its owner opened to the network may have a name
below `local` too; only then does it listen beyond loopback, and from there names below `localhost` are nobody's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.caddy import Json, JsonValue, to_app, to_closed
from mosaic.adapters.free_port import is_free

SERVER = "secure"
ROOT_PATH = "/mosaic-root.crt"
"""Where the front on loopback gives the root to whoever shall trust it."""

LOOPBACK = ("127.0.0.0/8", "::1/128")

_LOOPBACK = "127.0.0.1"
_EVERYWHERE = "0.0.0.0"  # noqa: S104 (of IPv4, as the names have it: an address of IPv6 may be open to the whole world)


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """A folder with an authority's files. `known_as` tells it from others of this front: what it signed lies apart."""

    folder: Path
    known_as: str

    @property
    def root(self) -> Path:
        """Whom people are to trust."""
        return self.folder / "root.crt"

    @property
    def signing(self) -> Path:
        """The certificate that signs, by the root."""
        return self.folder / "signing.crt"

    @property
    def key(self) -> Path:
        """The key of the one that signs. 0600."""
        return self.folder / "signing.key"

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file that Caddy reads."""
        return (self.root, self.signing, self.key)


@dataclass(frozen=True, slots=True)
class Https:
    """`announced` are the apps that are open to the network, each with its name there (`notes.local`)."""

    port: int
    authority: AuthorityFiles
    root_pem: str
    announced: Mapping[str, str]


def with_https(front: Json, https: Https, upstreams: Mapping[str, int], closed: Collection[str] = ()) -> Json:
    """Return the configuration of a LAN front with HTTPS beside it. The other arguments are those of `caddy.front`."""
    announced = {name: named for name, named in https.announced.items() if name in upstreams}
    host = {f"{name}.localhost": name for name in sorted(upstreams)}
    every = [*host, *sorted(announced.values())]
    here: list[JsonValue] = [
        _on_this_machine(_led(name, of, upstreams, closed), network=bool(announced)) for name, of in host.items()
    ]
    there: list[JsonValue] = [_led(announced[name], name, upstreams, closed) for name in sorted(announced)]
    nothing: Json = {"handle": [{"handler": "static_response", "status_code": 404, "body": "No app of that name.\n"}]}
    server: Json = {
        "listen": [f"{_EVERYWHERE if announced else _LOOPBACK}:{https.port}"],
        "automatic_https": {"disable_redirects": True},
        "protocols": ["h1", "h2"],
        "tls_connection_policies": _shown(sorted(host), sorted(announced.values())),
        "routes": [*here, *there, nothing],
    }
    policy: Json = {
        "subjects": [*every],
        "issuers": [{"module": "internal", "ca": https.authority.known_as}],
    }
    authority: Json = {
        "name": https.authority.known_as,
        "install_trust": False,
        "root": {"certificate": str(https.authority.root)},
        "intermediate": {"certificate": str(https.authority.signing), "private_key": str(https.authority.key)},
    }
    plain = dict(_table(_table(_table(front, "apps"), "http"), "servers"))
    plain["front"] = _with_root(_table(plain, "front"), https.root_pem)
    http: Json = {**_table(_table(front, "apps"), "http"), "servers": {**plain, **({SERVER: server} if every else {})}}
    return {
        **front,
        "apps": {
            "http": http,
            "tls": {"automation": {"policies": [policy] if every else []}},
            "pki": {"certificate_authorities": {https.authority.known_as: authority}},
        },
    }


def without_https(front: Json) -> Json:
    """Return the configuration of a front that `with_https` made with plain HTTP alone."""
    http = _table(_table(front, "apps"), "http")
    servers = {name: server for name, server in _table(http, "servers").items() if name != SERVER}
    return {**front, "apps": {"http": {**http, "servers": servers}}}


def is_fit(front: Json) -> bool:
    """Tell whether a Caddy could begin with the HTTPS of this configuration: its port is free, its files are there."""
    apps = _table(front, "apps")
    listens = _table(_table(_table(apps, "http"), "servers"), SERVER).get("listen")
    ports = [str(one).rpartition(":")[2] for one in listens] if isinstance(listens, list) else []
    if not all(port.isdigit() and is_free("tcp", int(port), host=_EVERYWHERE) for port in ports):
        return False
    authorities = _table(_table(apps, "pki"), "certificate_authorities")
    pairs = [_table(_table(authorities, name), pair) for name in authorities for pair in ("root", "intermediate")]
    return all(Path(str(path)).is_file() for pair in pairs for path in pair.values())


def _shown(here: Collection[str], there: Collection[str]) -> list[JsonValue]:
    """Return who is shown which certificates. Another name has none, nor from the network one that is closed to it."""
    if not there:
        return [{"match": {"sni": [*here]}}]
    return [{"match": {"sni": [*there]}}, {"match": {"sni": [*here], "remote_ip": {"ranges": list(LOOPBACK)}}}]


def _led(host: str, name: str, upstreams: Mapping[str, int], closed: Collection[str]) -> Json:
    return to_closed(host, name) if name in closed else to_app(host, upstreams[name])


def _on_this_machine(route: Json, *, network: bool) -> Json:
    """Return a route that only this machine's own visitors meet. Without the network there are no others."""
    if not network:
        return route
    match = route["match"]
    hosts = match[0] if isinstance(match, list) else {}
    assert isinstance(hosts, dict)
    return {**route, "match": [{**hosts, "remote_ip": {"ranges": list(LOOPBACK)}}]}


def _with_root(server: Json, root_pem: str) -> Json:
    """Return the plain server, which gives the root to whoever asks at a name that no app has."""
    routes = server["routes"]
    assert isinstance(routes, list)
    headers: Json = {
        "Content-Type": ["application/x-x509-ca-cert"],
        "Content-Disposition": ['attachment; filename="mosaic-root.crt"'],
    }
    answer: Json = {"handler": "static_response", "headers": headers, "body": root_pem}
    given: Json = {"match": [{"path": [ROOT_PATH]}], "handle": [answer], "terminal": True}
    return {**server, "routes": [*routes[:-1], given, routes[-1]]}


def _table(of: Json, name: str) -> Json:
    found = of.get(name)
    return found if isinstance(found, dict) else {}
