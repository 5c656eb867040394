"""What links and Hives say to a gateway, over HTTPS, as JSON.

A link shows its token, `lk_<link id>_<secret>` (LinkToken), as bearer:

| request | answer |
|---|---|
| POST /v1/links/register: Register | Registered; 401 `link-token-unknown`; 403 `name-not-of-link`; 409 `link-superseded`, `link-key-taken`; 422 `register-unreadable`, `link-mode-not-offered`; 429 `link-registers-too-often`, `asked-too-often`; 503 `gateway-full` |
| POST /v1/links/leave: Leave | 204; the registration's routes end. One that is not there any more is no error |

Inside the tunnel a link asks `http://<gateway's inner address>:<probe port>/probe/<registration>`:
200 while its registration is the newest, 409 when another took its place, 404 when it is not known.

A Hive signs each request with its Ed25519 key, which the gateway was told. The
headers are `Mosaic-Hive` (its public key, hex), `Mosaic-Gateway` (the host of the address at which
it asks, without a port), `Mosaic-Time` (seconds since 1970, whole) and `Mosaic-Signature` (hex) over
HIVE_REQUEST_CONTEXT and, joined by newlines, the gateway, the method, the path with its query, the
time and the SHA-256 (hex) of the body. One for another gateway is refused (401 `hive-request-elsewhere`),
so that whoever is sent a request cannot pass it on, and one whose time is further away than
HIVE_REQUEST_SECONDS too (401 `hive-request-late`, `hive-request-unsigned`; 403 `hive-not-allowed`).
All requests may be repeated.

| request | answer |
|---|---|
| GET /v1/gateway | GatewayAbout |
| PUT /v1/links/{id}: DesiredLink | LinkStanding; 403 `name-not-of-hive`; 409 `name-of-another`, `link-of-another`, `link-revision-old`, `link-removed`; 422 `desired-link-unreadable` |
| DELETE /v1/links/{id} | 204, within which every gateway of the group was told; 503 `gateways-not-told`, ask again. Removed for ever; one that never was there too |
| GET /v1/links | list[LinkStanding] of this Hive's links |
"""

from typing import Literal

import msgspec

from mosaic.core.link_mode import Mode as Mode

HIVE_REQUEST_CONTEXT = b"mosaic gateway request v1\0"
HIVE_REQUEST_SECONDS = 300

Protocol = Literal["tcp", "udp"]


class TokenHash(msgspec.Struct, frozen=True):
    """A token that is good: the SHA-256 (hex) of its secret as it is written, and until when (Unix time); None: no end."""

    sha256: str
    until: float | None = None


class PublicPort(msgspec.Struct, frozen=True):
    """A raw port that is brought to the link. `public` is the gateway's port; 0 leaves the choice to the gateway.

    `inner` is the port of the tunnel's address, of `core.raw_ports.INNER_PORTS`, another for each of a link.
    `named` is the number by which the link's EXPOSE calls it; 0: the public one.
    Before what a TCP connection says is a head of PROXY protocol 2.
    """

    protocol: Protocol
    public: int
    inner: int
    named: int = 0


class DesiredLink(msgspec.Struct, frozen=True):
    """What a Hive wants of a link. A lower `revision` than the one that the gateway has is refused.

    `names` are lower-case DNS names without a dot at the end. `epoch` is the lowest
    that may register (`term.n`): a link of an earlier holder is ended at once.
    `account` is whatever the Hive calls its owner by; limits are kept by it.
    A port that cannot be had hinders nothing else: it is not among those of the answer, and is tried again
    when the same is put again.
    """

    revision: int
    account: str
    names: list[str]
    tokens: list[TokenHash]
    epoch: str = "0.0"
    ports: list[PublicPort] = []


class LinkStanding(msgspec.Struct, frozen=True):
    """What a gateway has of a link, and how it does. `gateways` are the names of those that have its tunnel.

    `ports` are those that it has, each with the public port. `seen` is when a probe came through the tunnel the last time (Unix time); None for never.
    Bytes are since the link was made; `received_bytes` came from visitors. `closed` are the `inner` of those ports
    that the gateway which answers shall have open and has not: another program of its machine has them.
    """

    id: str
    revision: int
    names: list[str]
    registered: bool
    epoch: str | None = None
    mode: Mode | None = None
    gateways: list[str] = []
    seen: float | None = None
    ports: list[PublicPort] = []
    received_bytes: int = 0
    sent_bytes: int = 0
    closed: list[int] = []


class GatewayAbout(msgspec.Struct, frozen=True):
    """A gateway group as its Hives see it.

    `domains` are those under which this Hive may give out names. Owners' own names point (CNAME) at
    `target`, or (A, AAAA) at `addresses`. `places` are `host:port` of the TLS of those that are there,
    `plain_port` is that of ACME's challenges. `port_range` are the first and the last public port that
    its gateways open for links; None: they open none.
    """

    name: str
    version: str
    target: str
    addresses: list[str]
    domains: list[str]
    gateways: list[str]
    port_range: tuple[int, int] | None = None
    places: list[str] = []
    plain_port: int = 80


class Register(msgspec.Struct, frozen=True):
    """A link that starts. `public_key` is WireGuard's (base64), None in TCP mode.

    `session` is 32 random hex digits, made at each start. `names` are those that
    it was configured with, to be told early of one that is not its own; empty asks for all.
    """

    session: str
    epoch: str
    mode: Mode
    version: str
    public_key: str | None = None
    names: list[str] = []


class Peer(msgspec.Struct, frozen=True):
    """One gateway of the group, as a link reaches it.

    `endpoint` is `host:port` of WireGuard (UDP), with `public_key` (base64);
    `tunnel` are the places of TCP mode in the order to try, `tcp://host:port` or `tls://host:port`.
    `inner_address` is its address inside the tunnel. `public` is `host:port` of its TLS, for a look from outside.
    """

    name: str
    inner_address: str
    public: str
    endpoint: str | None = None
    public_key: str | None = None
    tunnel: list[str] = []


class Registered(msgspec.Struct, frozen=True):
    """What a link is given. `tunnel_key` (hex, 32 bytes) proves its connections in TCP mode, and is a secret.

    `address` is its own inside the tunnel. `names` are all that are routed to it now.
    """

    registration: str
    address: str
    names: list[str]
    peers: list[Peer]
    ports: list[PublicPort] = []
    mtu: int = 1360
    keepalive_seconds: int = 25
    probe_seconds: int = 5
    probe_port: int = 8099
    tunnel_key: str | None = None

    def __repr__(self) -> str:
        return f"Registered({self.registration!r}, {self.address!r}, {self.names!r}, …)"


class Leave(msgspec.Struct, frozen=True):
    """A link that stops, so that its gateway need not wait for probes that stay away."""

    registration: str
