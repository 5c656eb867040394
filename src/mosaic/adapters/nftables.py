"""The packet filter of a tunnel's two ends: rules as text, put in place whole by `nft`.

Each end has one table of its own, and touches nobody else's. What a rule here
drops stays dropped, and what it accepts others may still drop.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from mosaic.adapters import process
from mosaic.core.errors import Refused
from mosaic.core.link_routes import CHALLENGE_PORT, TLS_PORT

PROGRAM = "nft"
GATEWAY_TABLE = "mosaic_gateway"
LINK_TABLE = "mosaic_link"
DEADLINE_SECONDS = 20.0

_ASKS = "echo-request, destination-unreachable, time-exceeded, parameter-problem"


class FilterRefused(Refused):
    """The packet filter did not take its rules. Those before hold on."""

    code = "packet-filter-refused"

    def __init__(self, said: str) -> None:
        super().__init__(
            f"nft refused the tunnel's rules: {said}",
            hint="setting rules needs NET_ADMIN, and a kernel with nf_tables: `nft list ruleset` shows whether it has",
        )


@dataclass(frozen=True, slots=True)
class GatewayFilter:
    """What a gateway lets in by its tunnels: answers, pings and the probe. Links never reach one another.

    `network` is that of all tunnels; `own` are addresses of gateways in it, which no link may use as a source.
    """

    interface: str
    network: IPv4Network
    own: frozenset[IPv4Address]
    probe_port: int
    table: str = GATEWAY_TABLE


@dataclass(frozen=True, slots=True)
class LinkFilter:
    """What a link lets in by its tunnel: TLS, challenges of ACME, and its raw ports."""

    interface: str
    tcp_ports: frozenset[int] = field(default_factory=frozenset)
    udp_ports: frozenset[int] = field(default_factory=frozenset)


def gateway_rules(wanted: GatewayFilter) -> str:
    """Return the gateway's table in place of the one before."""
    gateways = _set(str(own) for own in sorted(wanted.own))
    return _table(
        wanted.table,
        wanted.interface,
        outside=[f'iifname != {{ "lo", "{wanted.interface}" }} ip saddr {wanted.network} counter drop'],
        within=[
            f"ip saddr != {wanted.network} counter drop",
            f"ip saddr {gateways} counter drop",
            *_answers(),
            f"tcp dport {wanted.probe_port} accept",
        ],
    )


def link_rules(wanted: LinkFilter) -> str:
    """Return the link's table in place of the one before."""
    tcp = _set(str(port) for port in sorted({TLS_PORT, CHALLENGE_PORT, *wanted.tcp_ports}))
    udp = [f"udp dport {_set(str(port) for port in sorted(wanted.udp_ports))} accept"] if wanted.udp_ports else []
    return _table(LINK_TABLE, wanted.interface, outside=[], within=[*_answers(), f"tcp dport {tcp} accept", *udp])


def shown(table: str) -> str | None:
    """Return a table as the kernel has it, without what it counted; None where there is none.

    It is written otherwise than it was put in place, and always the same way.
    """
    words = [PROGRAM, "--stateless", "list", "table", "inet", table]
    finished = process.attempt(words, deadline_seconds=DEADLINE_SECONDS)
    return finished.text if finished.code == 0 else None


def absent(table: str) -> str:
    """Return the text after which there is no such table: it is made first, for deleting needs one."""
    return f"table inet {table}\ndelete table inet {table}\n"


def is_there() -> bool:
    """Whether there is an `nft` here."""
    return shutil.which(PROGRAM) is not None


def apply(rules: str) -> None:
    """Put rules in place, all of them or none. Raises FilterRefused, ProgramMissing."""
    finished = process.attempt([PROGRAM, "-f", "-"], deadline_seconds=DEADLINE_SECONDS, stdin=rules.encode())
    if finished.code != 0:
        raise FilterRefused(finished.last_lines())


def remove(table: str) -> None:
    """Take a table away; its not being there is no error. Raises FilterRefused."""
    apply(absent(table))


def _table(name: str, interface: str, *, outside: list[str], within: list[str]) -> str:
    """Return a table by which the interface lets in what `within` accepts and passes nothing on."""
    return absent(name) + _block(
        f"table inet {name}",
        [
            _block("chain within", [*within, "counter drop"]),
            _block(
                "chain input",
                [
                    "type filter hook input priority filter; policy accept;",
                    *outside,
                    f'iifname "{interface}" jump within',
                ],
            ),
            _block(
                "chain forward",
                [
                    "type filter hook forward priority filter; policy accept;",
                    f'iifname "{interface}" counter drop',
                    f'oifname "{interface}" counter drop',
                ],
            ),
        ],
    )


def _answers() -> list[str]:
    return [
        "ct state established accept",
        "ct state invalid counter drop",
        f"icmp type {{ {_ASKS} }} accept",
    ]


def _set(words: Iterable[str]) -> str:
    return f"{{ {', '.join(words)} }}"


def _block(head: str, lines: list[str]) -> str:
    inner = "\n".join(lines).replace("\n", "\n    ")
    return f"{head} {{\n    {inner}\n}}\n"
