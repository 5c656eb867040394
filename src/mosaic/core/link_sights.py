"""What a look at a link saw: what its gateway says of it, and what DNS, ports and TLS answered.

`mosaic.core.link_doctor` judges.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mosaic.core.name_proof import State


@dataclass(frozen=True, slots=True)
class Carrier:
    """The link at its gateway. `problem` is why the gateway has not all that is wanted, or does not answer; "" if so.

    `lacks_service`: the app runs, and none of its services is a link.
    `silent_seconds` is since a probe came through the tunnel last, as the gateway wrote it down; None for never.
    """

    app: str
    gateway: str
    token_known: bool
    taken: bool
    problem: str = ""
    registered: bool = False
    mode: str | None = None
    silent_seconds: float | None = None
    lacks_service: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """A public port of a gateway. `refusal` is why it takes no connection, "" where it does.

    `status` is what the plain port answered to a name (HTTP), None where it spoke no HTTP or was not asked.
    """

    host: str
    port: int
    refusal: str = ""
    status: int | None = None

    def __str__(self) -> str:
        """As it is written: `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Doors:
    """The public ports of a link's gateways: for TLS, for plain HTTP, and TCP ports of the link's own.

    `held` are those of the link's own, such as `tcp:25565`, that another program of the gateway's machine has.
    """

    tls: tuple[Door, ...] = ()
    plain: tuple[Door, ...] = ()
    raw: tuple[Door, ...] = ()
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """The certificate that came for a name. Instants in s since 1970.

    `refusal` is why a visitor of this machine refuses it, in the words of its TLS; "" when it is trusted.
    """

    names: tuple[str, ...]
    issuer: str
    since: float
    until: float
    refusal: str = ""


Silence: TypeAlias = Literal["closed", "unanswered", "no-certificate", "no-tls"]
"""
closed          the connection was ended before a certificate came
unanswered      nothing came within the time that was waited
no-certificate  a TLS server was there, and refused for want of a certificate for the name
no-tls          something came that is no TLS
"""

Proof: TypeAlias = State | Literal["taken"]


@dataclass(frozen=True, slots=True)
class NameSight:
    """One name. `addresses` are what DNS answers for it, None when it does not answer; `wanted` are its gateway's.

    `given`: Mosaic gave it out, so its DNS is its gateway's. `record` is what would prove a domain, `""` for none.
    `tls` None: not looked at, because no port took a connection. `status` is what came to `GET /`, None for nothing.
    """

    name: str
    given: bool
    proof: Proof
    record: str
    target: str
    addresses: tuple[str, ...] | None
    wanted: tuple[str, ...]
    tls: Shown | Silence | None = None
    status: int | None = None
