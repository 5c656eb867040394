"""What a link's Caddy is told: TLS for the link's names, and the services behind them. Pure.

It listens on the tunnel's address alone: HTTPS on one port, and on another plain
HTTP for ACME's challenge, where everything else is led to HTTPS. Before each
connection comes a PROXY protocol header, believed only from `trusted`; from
anybody else it ends the connection, so no visitor is who he says. Both servers
are written out, because the one that Caddy makes by itself has no such wrapper.

A request passes, in this order: the link's own answer below `/.well-known/mosaic-link/`;
who may come (addresses, passwords, another service's word); what the owner's
snippet says; the service of its path. Challenges of ACME are answered before any
of this: by Caddy itself, and TLS-ALPN-01 before there is a request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mosaic.adapters.caddy import STREAM_CLOSE_DELAY, Json, JsonValue
from mosaic.core.expose import Exposed, Upstream
from mosaic.core.link_guards import BasicUser, ForwardAuth, Guards
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT
from mosaic.core.link_settings import Acme, Tls

OWN_PATH = "/.well-known/mosaic-link/"
CHECK_PATH = f"{OWN_PATH}session"
"""Answered with the session's own word, by which a link recognises itself from outside."""

LAN_LISTEN = ":80"
RETRY_SECONDS = 5

_TRY_DURATION = "5s"
_HEADER_TIMEOUT = "2s"
_LINGERING = "1h"
"""How long a download goes on after the configuration that it came by. Whoever ends Caddy for good need not wait."""

_LAN_LINGERING = "2s"


@dataclass(frozen=True, slots=True)
class Place:
    """Where Caddy listens, and the networks (`address/prefix`) whose PROXY headers it believes; there is always one."""

    addresses: tuple[str, ...]
    trusted: tuple[str, ...]
    tls_port: int = TLS_PORT
    challenge_port: int = CHALLENGE_PORT


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served, and for whom. `snippet` are the routes that `caddy_snippet` took.

    `lan_port` is where plain HTTP is served beside a gateway, None for nowhere.
    """

    exposed: Exposed
    guards: Guards = field(default_factory=Guards)
    snippet: tuple[Json, ...] = ()
    lan_port: int | None = None


@dataclass(frozen=True, slots=True)
class Certificates:
    """Who makes them, and the folder that they lie in. `challenges` are those that may be used.

    With `files`, a chain and its key (PEM), nobody does: these are used. `renewal_look` is how often Caddy
    looks for what is to be renewed, as it writes durations; "" is its own ten minutes.
    """

    storage: Path
    tls: Tls = "acme"
    acme: Acme = field(default_factory=Acme)
    challenges: tuple[str, ...] = ("tls-alpn", "http")
    files: tuple[Path, Path] | None = None
    renewal_look: str = ""


def link(
    admin: Path,
    place: Place,
    names: Sequence[str],
    serving: Serving,
    certificates: Certificates,
    *,
    session: str,
    lingering: str = _LINGERING,
) -> Json:
    """Return the configuration of a link behind a gateway. `session` is what it answers at CHECK_PATH."""
    if not place.trusted:
        # Caddy would believe nobody, and every visitor would come from the gateway.
        raise ValueError("a link's Caddy has to believe its gateway")
    wrapper: Json = {
        "wrapper": "proxy_protocol",
        "timeout": _HEADER_TIMEOUT,
        "allow": list(place.trusted),
        "fallback_policy": "reject",
    }
    secure: Json = {
        "listen": _listen(place, place.tls_port),
        "listener_wrappers": [wrapper, {"wrapper": "tls"}],
        "automatic_https": {"disable_redirects": True, "disable_certificates": certificates.files is not None},
        # No HTTP/3: a gateway passes TCP on, so nobody may be told of it.
        "protocols": ["h1", "h2"],
        "tls_connection_policies": [{"match": {"sni": list(names)}}],
        "routes": [_site(name, serving, session) for name in names],
        "errors": {"routes": [_away()]},
    }
    plain: Json = {
        "listen": _listen(place, place.challenge_port),
        "listener_wrappers": [wrapper],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [{"match": [{"host": list(names)}], "handle": [_redirect()], "terminal": True}],
    }
    http: Json = {
        "grace_period": lingering,
        "http_port": place.challenge_port,
        "https_port": place.tls_port,
        "servers": {**({"link": secure, "challenges": plain} if names else {}), **_beside(serving, place.trusted)},
    }
    policy: Json = {"subjects": list(names), "issuers": [_issuer(place, certificates)]}
    return {
        **_alone(admin),
        "storage": {"module": "file_system", "root": str(certificates.storage)},
        "apps": {
            "http": http,
            "tls": _tls(policy if names else None, certificates),
            # Its own authority is for whoever is told to trust it, and not for this container.
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
        },
    }


def lan(admin: Path, serving: Serving, *, listen: str = LAN_LISTEN) -> Json:
    """Return the configuration of a link in LAN mode: plain HTTP for any name."""
    server = _plain_server(serving, listen)
    return {**_alone(admin), "apps": {"http": {"grace_period": _LAN_LINGERING, "servers": {"link": server}}}}


def idle(admin: Path, serving: Serving | None = None) -> Json:
    """Return the configuration of one that has no gateway yet: it serves the LAN if it shall, and nothing else."""
    servers = _beside(serving, ()) if serving is not None else {}
    return {**_alone(admin), **({"apps": {"http": {"servers": servers}}} if servers else {})}


def _beside(serving: Serving, trusted: Sequence[str]) -> dict[str, JsonValue]:
    """Return the server of the LAN beside a gateway, which gets nothing by it that is not encrypted."""
    if serving.lan_port is None:
        return {}
    by_tunnel: Json = {
        "match": [{"remote_ip": {"ranges": list(trusted)}}],
        "handle": [{"handler": "static_response", "abort": True}],
        "terminal": True,
    }
    return {"lan": _plain_server(serving, f":{serving.lan_port}", *([by_tunnel] if trusted else []))}


def _plain_server(serving: Serving, listen: str, *first: JsonValue) -> Json:
    named = dict.fromkeys(site.name for site in serving.exposed.sites if site.name is not None)
    return {
        "listen": [listen],
        "automatic_https": {"disable": True},
        "protocols": ["h1"],
        "routes": [
            *first,
            *[_named(name, serving) for name in named],
            *_routes("", serving),
        ],
        "errors": {"routes": [_away()]},
    }


def _alone(admin: Path) -> Json:
    return {
        "admin": {"listen": f"unix/{admin}|0600", "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "WARN", "exclude": ["http.log.error", "admin"]}}},
    }


def _listen(place: Place, port: int) -> list[JsonValue]:
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in place.addresses]


def _issuer(place: Place, certificates: Certificates) -> Json:
    if certificates.tls == "internal":
        return {"module": "internal"}
    challenges: Json = {
        "bind_host": place.addresses[0],
        "http": {"disabled": "http" not in certificates.challenges},
        "tls-alpn": {"disabled": "tls-alpn" not in certificates.challenges},
    }
    issuer: Json = {"module": "acme", "ca": certificates.acme.directory, "challenges": challenges}
    if certificates.acme.email:
        issuer["email"] = certificates.acme.email
    if certificates.acme.root is not None:
        issuer["trusted_roots_pem_files"] = [certificates.acme.root]
    return issuer


def _tls(policy: Json | None, certificates: Certificates) -> Json:
    if certificates.files is None:
        often: Json = {"renew_interval": certificates.renewal_look} if certificates.renewal_look else {}
        return {"automation": {"policies": [] if policy is None else [policy], **often}}
    chain, key = certificates.files
    return {"certificates": {"load_files": [{"certificate": str(chain), "key": str(key)}]}}


def _site(name: str, serving: Serving, session: str) -> Json:
    headers: Json = {"Content-Type": ["text/plain; charset=utf-8"], "Cache-Control": ["no-store"]}
    own: list[JsonValue] = [
        {
            "match": [{"path": [CHECK_PATH]}],
            "handle": [{"handler": "static_response", "headers": headers, "body": session}],
            "terminal": True,
        },
        {
            "match": [{"path": [f"{OWN_PATH}*"]}],
            "handle": [{"handler": "static_response", "status_code": 404}],
            "terminal": True,
        },
    ]
    inner: Json = {"handler": "subroute", "routes": [*own, _through(name, serving)]}
    return {"match": [{"host": [name]}], "handle": [inner], "terminal": True}


def _named(name: str, serving: Serving) -> Json:
    return {"match": [{"host": [name]}], **_through(name, serving), "terminal": True}


def _through(name: str, serving: Serving) -> Json:
    return {"handle": [{"handler": "subroute", "routes": _routes(name, serving)}]}


def _routes(name: str, serving: Serving) -> list[JsonValue]:
    """Return what a request of one name meets after the link's own answers; "" is a name that EXPOSE does not have."""
    sites = serving.exposed.sites_of(name)
    apps: list[JsonValue] = [
        {**_match_path(site.path), "handle": [_proxy(site.upstream)], "terminal": True} for site in sites
    ]
    nothing: Json = {"handle": [{"handler": "static_response", "status_code": 404}]}
    return [*_guards(serving.guards), *serving.snippet, *apps, nothing]


def _match_path(path: str) -> Json:
    return {"match": [{"path": [path, f"{path}/*"]}]} if path else {}


def _proxy(upstream: Upstream) -> Json:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{upstream.service}:{upstream.port}"}],
        **_transport(upstream),
        # Events are passed on as they come.
        "flush_interval": -1,
        # The app may start after its link: wait a moment before saying that it is not there.
        "load_balancing": {"try_duration": _TRY_DURATION, "try_interval": "250ms"},
        # Or every WebSocket would end whenever the link's names change.
        "stream_close_delay": STREAM_CLOSE_DELAY,
    }


def _transport(upstream: Upstream) -> Json:
    transport: Json = {"protocol": "http"}
    match upstream.scheme:
        case "http":
            return {}
        case "h2c":
            transport["versions"] = ["h2c", "2"]
        case "https":
            transport["tls"] = {}
        case "https+insecure":
            transport["tls"] = {"insecure_skip_verify": True}
    return {"transport": transport}


def _guards(guards: Guards) -> list[JsonValue]:
    routes: list[JsonValue] = []
    if guards.allowed:
        stranger: Json = {"not": [{"remote_ip": {"ranges": list(guards.allowed)}}]}
        refusal: Json = {"handler": "static_response", "status_code": 403, "body": "This address may not come here.\n"}
        routes.append({"match": [stranger], "handle": [refusal], "terminal": True})
    if guards.users:
        routes.append({"handle": [_password(guards.users)]})
    if guards.forward is not None:
        routes += _forward(guards.forward)
    return routes


def _password(users: Sequence[BasicUser]) -> Json:
    accounts: list[JsonValue] = [{"username": user.name, "password": user.password_hash} for user in users]
    basic: Json = {"accounts": accounts, "hash": {"algorithm": users[0].algorithm}, "hash_cache": {}}
    return {"handler": "authentication", "providers": {"http_basic": basic}}


def _forward(forward: ForwardAuth) -> list[JsonValue]:
    # First of all: a header of these that a visitor sends must not reach the app, nor the service.
    clean: Json = {"handle": [{"handler": "headers", "request": {"delete": list(forward.headers)}}]}
    routes: list[JsonValue] = [clean]
    if forward.own_path:
        routes.append({**_match_path(forward.own_path), "handle": [_proxy(forward.upstream)], "terminal": True})
    passed: list[JsonValue] = [
        {
            "match": [{"not": [{"vars": {f"{{http.reverse_proxy.header.{name}}}": [""]}}]}],
            "handle": [
                {"handler": "headers", "request": {"set": {name: [f"{{http.reverse_proxy.header.{name}}}"]}}},
            ],
        }
        for name in forward.headers
    ]
    answers: list[JsonValue] = [{"match": {"status_code": [2]}, "routes": passed}]
    if forward.sign_in:
        wanted = "{http.request.scheme}://{http.request.host}{http.request.uri_escaped}"
        headers: Json = {"Location": [forward.sign_in.replace("{url}", wanted)], "Cache-Control": ["no-store"]}
        leave: Json = {"handler": "static_response", "status_code": 302, "headers": headers}
        answers.append({"match": {"status_code": [401]}, "routes": [{"handle": [leave]}]})
    told: Json = {"X-Forwarded-Method": ["{http.request.method}"], "X-Forwarded-Uri": ["{http.request.uri}"]}
    ask: Json = {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{forward.upstream.service}:{forward.upstream.port}"}],
        **_transport(forward.upstream),
        # With a query of its own, if an empty one: else the visitor's would be added to it.
        "rewrite": {"method": "GET", "uri": forward.uri if "?" in forward.uri else f"{forward.uri}?"},
        "headers": {"request": {"set": told}},
        "handle_response": answers,
    }
    return [*routes, {"handle": [ask]}]


def _redirect() -> Json:
    headers: Json = {"Location": ["https://{http.request.host}{http.request.uri}"]}
    return {"handler": "static_response", "status_code": 308, "headers": headers}


def _away() -> Json:
    """Return what is said instead of an empty page while the app is not up: 502, and come again."""
    text = "<h1>The app is away</h1><p>It is not up yet, or not any more. This page tries again by itself.</p>"
    refresh = f'<meta http-equiv="refresh" content="{RETRY_SECONDS}">'
    page = f'<!doctype html><html lang="en">{refresh}<title>The app is away</title>{text}</html>\n'
    headers: Json = {
        "Content-Type": ["text/html; charset=utf-8"],
        "Cache-Control": ["no-store"],
        "Retry-After": [str(RETRY_SECONDS)],
    }
    answer: Json = {"handler": "static_response", "status_code": 502, "headers": headers, "body": page}
    away: Json = {"vars": {"{http.error.status_code}": ["502", "503", "504"]}}
    return {"match": [away], "handle": [answer], "terminal": True}
