"""Asking DNS for TXT, CNAME and address records, as this machine or named servers answer.

An answer that there is nothing is one; silence, a refusal or a broken answer
is none (None). Nothing is kept: who looks whether a proof is still there must
not be told what was there before. Truncated answers are asked for again over TCP.
"""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

import dns.exception
import dns.nameserver
import dns.rdata
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
import dns.resolver

from mosaic.core.errors import Refused

DEADLINE_SECONDS = 6.0
_SERVER_SECONDS = 2.0
_MOST_RECORDS = 200


class ResolverUnusable(Refused):
    """The address of a DNS server is not one."""

    code = "resolver-unusable"

    def __init__(self, server: str) -> None:
        super().__init__(
            f"{server[:80]!r} is not where a DNS server can be",
            hint="write an address, or address and port: 192.0.2.53:53, [2001:db8::53]:53",
        )


class Server(NamedTuple):
    """A DNS server, by address."""

    address: str
    port: int = 53


class Resolver:
    """Asks these servers, or those of the machine when none is named. Threads may share it."""

    def __init__(self, servers: Sequence[Server] = (), *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._servers = tuple(servers)
        self._deadline_seconds = deadline_seconds

    def texts(self, name: str) -> list[str] | None:
        """Return the TXT records of a name, the strings of each joined."""
        found = self._ask(name, "TXT")
        if found is None:
            return None
        return [
            b"".join(record.strings).decode("utf-8", "replace")
            for record in found
            if isinstance(record, dns.rdtypes.ANY.TXT.TXT)
        ]

    def alias(self, name: str) -> list[str] | None:
        """Return what a name is an alias of (CNAME): one name, without a dot at its end, or none."""
        found = self._ask(name, "CNAME")
        if found is None:
            return None
        targets = [record.target for record in found if isinstance(record, dns.rdtypes.ANY.CNAME.CNAME)]
        return [target.to_text(omit_final_dot=True).lower() for target in targets]

    def addresses(self, name: str) -> list[str] | None:
        """Return the IPv4 and IPv6 addresses of a name, through aliases; None when neither was answered."""
        answers = [self._ask(name, kind) for kind in ("A", "AAAA")]
        if all(answer is None for answer in answers):
            return None
        return [record.to_text() for answer in answers for record in answer or ()]

    def _ask(self, name: str, kind: str) -> Sequence[dns.rdata.Rdata] | None:
        try:
            # Made anew: the machine's servers may be others by now, as on a laptop.
            answer = self._resolver().resolve(f"{name}.", kind, search=False, lifetime=self._deadline_seconds)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        return list(answer)[:_MOST_RECORDS]

    def _resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(one.address, one.port) for one in self._servers]
        resolver.timeout = min(_SERVER_SECONDS, self._deadline_seconds)
        return resolver


def parse_server(text: str) -> Server:
    """Return the server that is written as an address, with a port or without. Raises ResolverUnusable."""
    address, port = text, "53"
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        port = "53" if text.endswith("]") else rest.removeprefix(":")
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ResolverUnusable(text) from None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ResolverUnusable(text)
    return Server(address, int(port))
