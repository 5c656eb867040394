"""What HAProxy is told at its start, as text. Pure; all files are named relative to the folder that it runs in.

TLS is read as far as the name in its ClientHello. The map gives that name's tunnel
address, which becomes the connection's destination (`set-dst`), so one server entry
serves all links. What has no name, or one without a route, is closed unanswered.

Three kinds of tables: `…-sources` count open connections per IPv4 address or /64 of IPv6;
`names` counts what each name's connections carried; `sessions` has one entry per
connection, keyed by name, tunnel address and source. It is how they are found when a
route is taken away: HAProxy itself does not list by which name a connection came.

Source: HAProxy 2.6, configuration manual 3 to 7 (options, `tcp-request`, stick tables).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT

ROUTES_FILE = "routes.map"
ADMIN_SOCKET = "admin.sock"
EMPTY_FOLDER = "empty"
TLS_FRONTEND = "tls"
PLAIN_FRONTEND = "plain"
NAMES = "names"
SESSIONS = "sessions"
KEY_SEPARATOR = "|"
"""Between the parts of a key of `sessions`. It stands in no name and no address."""

HELLO_SECONDS = 5
CONNECT_SECONDS = 5
IDLE_SECONDS = 3600
HALF_CLOSED_SECONDS = 300
REQUEST_SECONDS = 5
CHALLENGE_SECONDS = 10
KEEPALIVE_SECONDS = 60

MOST_CONNECTIONS = 50_000
"""However many descriptors there are: tables and buffers for more would take memory that nobody asked for."""

_SPARE_DESCRIPTORS = 256
"""Listeners, the runtime socket, each thread's own, and those that HAProxy keeps back."""

_LEAST_CONNECTIONS = 32
_MOST_NAMES = 131_072
_MOST_SOURCES = 131_072
_LONGEST_NAME = 254
_LONGEST_KEY = 320

_HELLO_BYTES = 16 * 1024
_REWRITE_BYTES = 1024
"""HAProxy keeps this much of a buffer free, so what can be read ahead is less by it."""

_LETTERS = r"'^[a-z0-9._-]{0,252}[a-z0-9_-]\.?$'"
_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = rf"'^({_LABEL}\.)*{_LABEL}$'"
_NUMBER_LAST = r"'^(.*\.)?([0-9]+|0x[0-9a-f]*)$'"
_CHALLENGE = r"'^/\.well-known/acme-challenge/[A-Za-z0-9_-]{1,256}$'"

Listen = tuple[str, int]
"""An address and a port."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user and group, as numbers, that HAProxy becomes as soon as it has its listeners."""

    user: int
    group: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between gateways.

    `connections` are all that may be open at once, `per_source` and `per_name` those of one
    visitor's network and of one name. `run_as` is None where HAProxy is not started as root.
    `threads` None is one for each processor.
    """

    tls: tuple[Listen, ...]
    plain: tuple[Listen, ...]
    connections: int
    per_source: int = 500
    per_name: int = 10_000
    run_as: RunAs | None = None
    threads: int | None = None


def connections_within(descriptors: int) -> int:
    """Return how many connections this many descriptors are enough for: two each, and some to spare.

    HAProxy refuses to start when it may not have as many as it was told to serve.
    """
    return max(_LEAST_CONNECTIONS, min(MOST_CONNECTIONS, (descriptors - _SPARE_DESCRIPTORS) // 2))


def render(settings: Settings) -> str:
    """Return the configuration. Its `description` is the mark by which a running HAProxy tells that it has this one."""
    body = "\n".join(
        [
            *_globals(settings),
            *_defaults(),
            *_tables(settings),
            *_tls(settings),
            *_plain(settings),
            "",
        ]
    )
    return f"global\n    description {_mark(body)}\n{body}"


def mark_of(configuration: str) -> str:
    """Return the mark of a rendered configuration."""
    return configuration.split("description ", 1)[1].split("\n", 1)[0]


def _mark(body: str) -> str:
    return f"mosaic-{hashlib.sha256(body.encode()).hexdigest()[:32]}"


def _globals(settings: Settings) -> Iterable[str]:
    yield f"    maxconn {settings.connections}"
    yield f"    stats socket unix@{ADMIN_SOCKET} mode 600 level admin"
    yield "    stats timeout 30s"
    yield f"    tune.bufsize {_HELLO_BYTES + _REWRITE_BYTES}"
    yield f"    tune.maxrewrite {_REWRITE_BYTES}"
    if settings.threads is not None:
        yield f"    nbthread {settings.threads}"
    if settings.run_as is not None:
        yield f"    chroot {EMPTY_FOLDER}"
        yield f"    uid {settings.run_as.user}"
        yield f"    gid {settings.run_as.group}"


def _defaults() -> Iterable[str]:
    yield "defaults"
    yield "    mode tcp"
    # Bytes of open connections are counted as they pass, not when they end.
    yield "    option contstats"
    for side, prefix in (("cli", "clitcpka"), ("srv", "srvtcpka")):
        yield f"    option {side}tcpka"
        yield f"    {prefix}-idle {KEEPALIVE_SECONDS}s"
        yield f"    {prefix}-intvl {KEEPALIVE_SECONDS // 4}s"
        yield f"    {prefix}-cnt 4"
    yield "    retries 0"
    yield f"    timeout connect {CONNECT_SECONDS}s"
    yield f"    timeout client {IDLE_SECONDS}s"
    yield f"    timeout server {IDLE_SECONDS}s"
    yield f"    timeout tunnel {IDLE_SECONDS}s"
    # Of a connection that one side has ended, because HAProxy cannot be told to end it altogether.
    yield f"    timeout client-fin {HALF_CLOSED_SECONDS}s"
    yield f"    timeout server-fin {HALF_CLOSED_SECONDS}s"


def _tables(settings: Settings) -> Iterable[str]:
    for frontend in (TLS_FRONTEND, PLAIN_FRONTEND):
        # Apart, so that whoever floods port 80 leaves TLS alone.
        yield f"backend {frontend}-sources"
        yield f"    stick-table type ipv6 size {_MOST_SOURCES} expire 60s store conn_cur"
    yield f"backend {NAMES}"
    # Never expires: what a name carried is counted from the start on.
    counters = "conn_cur,conn_cnt,bytes_in_cnt,bytes_out_cnt"
    yield f"    stick-table type string len {_LONGEST_NAME} size {_MOST_NAMES} store {counters}"
    yield f"backend {SESSIONS}"
    size = settings.connections + _LEAST_CONNECTIONS
    yield f"    stick-table type string len {_LONGEST_KEY} size {size} expire 1s store conn_cur"


def _tls(settings: Settings) -> Iterable[str]:
    yield f"frontend {TLS_FRONTEND}"
    yield from _listeners(settings.tls)
    yield from _limited_sources(settings, TLS_FRONTEND)
    yield f"    tcp-request inspect-delay {HELLO_SECONDS}s"
    # The first rule waits for the whole ClientHello. Its pattern refuses a zero byte too, at which lookups would stop.
    yield f"    tcp-request content reject unless {{ req.ssl_sni,lower -m reg {_LETTERS} }}"
    yield "    tcp-request content set-var(sess.name) req.ssl_sni,lower,rtrim(.)"
    yield f"    tcp-request content set-var(sess.address) var(sess.name),map_str_ip({ROUTES_FILE})"
    yield "    tcp-request content reject unless { var(sess.address) -m found }"
    yield f"    tcp-request content reject if {{ var(sess.name),table_conn_cur({NAMES}) ge {settings.per_name} }}"
    yield f"    tcp-request content track-sc1 var(sess.name) table {NAMES}"
    yield f"    tcp-request content set-var-fmt(sess.key) {_key('sess')}"
    yield f"    tcp-request content track-sc2 var(sess.key) table {SESSIONS}"
    yield "    tcp-request content set-dst var(sess.address)"
    yield "    default_backend links"
    yield "backend links"
    yield f"    server link 0.0.0.0:{TLS_PORT} send-proxy-v2"


def _plain(settings: Settings) -> Iterable[str]:
    """Yield port 80: to HTTPS, all but requests for a challenge of ACME to a name that is routed."""
    if not settings.plain:
        return
    yield f"frontend {PLAIN_FRONTEND}"
    yield "    mode http"
    yield from _listeners(settings.plain)
    # A flood here leaves room for TLS.
    yield f"    maxconn {max(1, settings.connections // 4)}"
    # One request a connection, so that no second one takes the way of the first.
    yield "    option httpclose"
    yield f"    timeout http-request {REQUEST_SECONDS}s"
    yield f"    timeout client {CHALLENGE_SECONDS}s"
    yield from _limited_sources(settings, PLAIN_FRONTEND)
    yield "    http-request set-var(txn.name) req.hdr(host),field(1,:),lower,rtrim(.)"
    for named in ("{ path_beg / }", "{ var(txn.name) -m len 1:253 }", f"{{ var(txn.name) -m reg {_NAME} }}"):
        yield f"    http-request deny deny_status 400 unless {named}"
    yield f"    http-request deny deny_status 400 if {{ var(txn.name) -m reg {_NUMBER_LAST} }}"
    yield (
        f"    http-request set-var(txn.address) var(txn.name),map_str_ip({ROUTES_FILE}) "
        f"if METH_GET {{ pathq -m reg {_CHALLENGE} }} "
        "!{ req.hdr(transfer-encoding) -m found } !{ req.hdr_val(content-length) gt 0 }"
    )
    to_https = "location https://%[var(txn.name)]%[pathq] code 308"
    yield f"    http-request redirect {to_https} unless {{ var(txn.address) -m found }}"
    yield f"    http-request set-var-fmt(txn.key) {_key('txn')}"
    yield f"    http-request track-sc2 var(txn.key) table {SESSIONS}"
    yield "    http-request set-dst var(txn.address)"
    # Nothing may become a tunnel for plain text.
    yield "    http-request del-header upgrade"
    yield "    default_backend challenges"
    yield "backend challenges"
    yield "    mode http"
    yield "    option httpclose"
    yield "    http-reuse never"
    yield f"    timeout server {CHALLENGE_SECONDS}s"
    yield f"    timeout tunnel {CHALLENGE_SECONDS}s"
    yield f"    server link 0.0.0.0:{CHALLENGE_PORT} send-proxy-v2"


def _listeners(listens: Iterable[Listen]) -> Iterable[str]:
    for address, port in listens:
        # IPv4 through a socket of IPv6 would come from one /64, and share one limit.
        yield f"    bind [{address}]:{port} v6only" if ":" in address else f"    bind {address}:{port}"


def _limited_sources(settings: Settings, frontend: str) -> Iterable[str]:
    yield f"    tcp-request connection track-sc0 src,ipmask(32,64) table {frontend}-sources"
    yield f"    tcp-request connection reject if {{ sc0_conn_cur gt {settings.per_source} }}"


def _key(scope: str) -> str:
    """Return the words that make a key of `sessions`."""
    parts = (f"%[var({scope}.name)]", f"%[var({scope}.address)]", "%[src]:%[src_port]")
    return f'"{KEY_SEPARATOR.join(parts)}"'
