"""Links as people, the CLI and the Console ask a Hive for them. Instants are ns since 1970 UTC (routes: `wire.api`)."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from mosaic.wire.links import GatewayAbout, LinkStanding, Protocol

NameState = Literal["good", "waiting", "amber", "withdrawn", "given-up", "taken"]
"""
good       it is routed
waiting    nothing has proved yet that the domain is the account's
amber      it is routed, and its proof is gone: it is withdrawn at `ends_ns`
withdrawn  its proof was gone for too long
given-up   it was never proved, and nobody looks any more
taken      it is proved, and another account has it
"""


class NameProof(msgspec.Struct, frozen=True):
    """What proves a domain: one record of the two. `cname` is None where none can."""

    txt_name: str
    txt_value: str
    cname: str | None


class LinkName(msgspec.Struct, frozen=True):
    """A name of a link. `proof` is None for one that Mosaic gave out, which needs none."""

    name: str
    state: NameState
    proof: NameProof | None = None
    ends_ns: int | None = None


class LinkPort(msgspec.Struct, frozen=True):
    """A raw port that a link shall have. `named` is what the app's EXPOSE calls it.

    `public` is the gateway's port that was wished, 0 for any; `given` the one that it has, None while it has none.
    `host` is where it is reached. `problem` is why it has none, or why that is not open; "" when it is, or nothing
    is known yet.
    """

    protocol: Protocol
    named: int
    public: int
    given: int | None = None
    host: str = ""
    problem: str = ""


class LinkAt(msgspec.Struct, frozen=True):
    """A link at a gateway. `taken`: the gateway has all that is wanted. `problem` is why it does not, if that is known.

    `standing` is what it said last, at `heard_ns`.
    """

    gateway: str
    taken: bool
    problem: str = ""
    standing: LinkStanding | None = None
    heard_ns: int | None = None


class Link(msgspec.Struct, frozen=True):
    """The public way to one installation.

    `token` is the number of the token that its Device gives it; `token_known` says that the Device has told its hash.
    `older_token_until_ns` is until when the one before is good as well. `names` begin with the one that has counted
    longest. `leaving` are gateways that it left and that have not been told so yet.
    `lacks_service`: the app runs, and none of its services is a link, so nobody opens the tunnel.
    """

    id: str
    installation: str
    app: str
    created_ns: int
    names: list[LinkName]
    token: int
    token_known: bool
    gateways: list[LinkAt]
    older_token_until_ns: int | None = None
    ports: list[LinkPort] = []
    leaving: list[str] = []
    lacks_service: bool = False

    @property
    def default_name(self) -> str:
        """The name that its app is told (LINK_DOMAIN_DEFAULT)."""
        return default_of(self.app, self.names)

    def default_without(self, name: str) -> str:
        """Return what its app would be told if it had not this name."""
        return default_of(self.app, [one for one in self.names if one.name != name])


def default_of(app: str, names: Sequence[LinkName]) -> str:
    """Return the name that an app is told of these: the first that counts."""
    return next((one.name for one in names if one.state in ("good", "amber")), f"{app}.localhost")


class AddLink(msgspec.Struct, frozen=True):
    """`domains` are names of one's own, beside the one that is given out. `label` is the account's part of all given
    names, chosen once. `gateway` (id or name) is needed where there are several.
    """

    domains: list[str] = []
    label: str | None = None
    gateway: str | None = None


class MoveLink(msgspec.Struct, frozen=True):
    """Which gateway (id, name or address) is to carry a link from now on."""

    gateway: str


class LinkMove(msgspec.Struct, frozen=True):
    """What moving a link to another gateway changes, before it is done.

    `kept` are the names that stay, `dns` those of them whose records have to lead to the new gateway: by CNAME to
    `target`, or by A and AAAA to `addresses`. `renamed` are the names that were given out, each with the one that is
    given out in its place. `told` is what its app is told afterwards as its name. `ports` counts its raw ports.
    """

    app: str
    leaves: str
    gateway: str
    kept: list[str]
    dns: list[str]
    renamed: list[tuple[str, str]]
    told: str
    target: str
    addresses: list[str]
    ports: int = 0


class AddPort(msgspec.Struct, frozen=True):
    """A wish for a raw port. `public` 0 leaves the choice to the gateway."""

    protocol: Protocol
    named: int
    public: int = 0


class RotateToken(msgspec.Struct, frozen=True):
    """`now` ends the token before as soon as the next one is known, without an overlap."""

    now: bool = False


class AddGateway(msgspec.Struct, frozen=True):
    """Where a gateway's API is. `fingerprint` (SHA-256 of its certificate, hex) is for one whose certificate no public
    authority signed.
    """

    url: str
    fingerprint: str | None = None


class LinkGateway(msgspec.Struct, frozen=True):
    """A gateway that this Hive uses. `hive_key` is what it has to be told there (`mosaic gateway allow`).

    `about` is None until it lets the Hive in; `problem` is why it does not answer, "" when it does.
    """

    id: str
    name: str
    url: str
    hive_key: str
    about: GatewayAbout | None = None
    problem: str = ""
