"""What a gateway's operator does with the group's database: allow Hives, and see what is routed."""

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import changes, links
from mosaic.adapters.sql.gateway import hives as allowed
from mosaic.adapters.sql.gateway.hives import AllowedHive
from mosaic.core import name_grants
from mosaic.core.errors import NotFound, Refused
from mosaic.gateway import pushing, standing
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.serve import open_database
from mosaic.wire.links import LinkStanding

T = TypeVar("T")

_KEY = re.compile(r"[0-9a-f]{64}")


class HiveKeyMalformed(Refused):
    """What was given is no Hive's public key."""

    code = "hive-key-malformed"

    def __init__(self) -> None:
        super().__init__(
            "a Hive's public key is 64 lower-case hex digits", hint="the Hive's owner finds it at /api/hive of the Hive"
        )


class HiveUnknownHere(NotFound):
    """The gateway does not know this Hive."""

    code = "hive-unknown-here"

    def __init__(self) -> None:
        super().__init__("no Hive with this key is allowed", hint="`mosaic gateway hives` lists those that are")


class ShownHive(msgspec.Struct, frozen=True):
    """A Hive as the operator sees it."""

    key: str
    domains: list[str]
    vouches: bool
    links: int


class ShownLink(msgspec.Struct, frozen=True):
    """A link, and whose it is."""

    hive: str
    link: LinkStanding


def allow(config: GatewayConfig, key: str, domains: Sequence[str], *, vouches: bool) -> ShownHive:
    """Let a Hive have links routed, under these domains in place of any before. Names that it has stay.

    Raises HiveKeyMalformed, DomainUnreadable, DomainTaken.
    """
    if not _KEY.fullmatch(key):
        raise HiveKeyMalformed

    def change(tx: Tx) -> ShownHive:
        # Two operators at once must not give one domain to two Hives.
        changes.next_change(tx)
        others = allowed.domains_of_others(tx, key)
        for domain in domains:
            name_grants.check_domain(domain, others)
        allowed.allow(tx, key, domains, vouches=vouches, now_ns=time.time_ns())
        hive = allowed.get(tx, key)
        assert hive is not None
        return _shown(tx, hive)

    return _changed(config, change)


def disallow(config: GatewayConfig, key: str) -> int:
    """Remove a Hive and all its links, and return how many they were. Raises HiveUnknownHere."""

    def change(tx: Tx) -> int:
        changes.next_change(tx)
        if allowed.get(tx, key) is None:
            raise HiveUnknownHere
        found = links.of_hive(tx, key)
        for link in found:
            pushing.remove(tx, key, link.id, now_ns=time.time_ns())
        allowed.forget(tx, key)
        return len(found)

    return _changed(config, change)


def hives(config: GatewayConfig) -> list[ShownHive]:
    """Return all Hives that are allowed."""
    return _changed(config, lambda tx: [_shown(tx, hive) for hive in allowed.every(tx)])


def links_of_all(config: GatewayConfig) -> list[ShownLink]:
    """Return all links."""
    now_ns = time.time_ns()
    return _changed(config, lambda tx: [ShownLink(hive, one) for hive, one in standing.every(tx, now_ns=now_ns)])


def _shown(tx: Tx, hive: AllowedHive) -> ShownHive:
    return ShownHive(hive.key, sorted(hive.domains), hive.vouches, len(links.of_hive(tx, hive.key)))


def _changed(config: GatewayConfig, change: Callable[[Tx], T]) -> T:
    database = open_database(config)
    try:
        with database.write() as tx:
            return change(tx)
    finally:
        database.close()
