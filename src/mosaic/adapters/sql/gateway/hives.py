"""Hives that may have links routed, and under which domains."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import schema

_hives = schema.hives.c
_domains = schema.domains.c


@dataclass(frozen=True, slots=True)
class AllowedHive:
    """`key` is its Ed25519 public key (hex). With `vouches` it may also have names routed that it says are proved."""

    key: str
    domains: frozenset[str]
    vouches: bool
    allowed_ns: int


def get(tx: Tx, key: str) -> AllowedHive | None:
    """Return the Hive with this key."""
    row = tx.execute(select(schema.hives).where(_hives.key == key)).one_or_none()
    if row is None:
        return None
    owned = frozenset(tx.scalars(select(_domains.domain).where(_domains.hive == key)))
    return AllowedHive(row.key, owned, row.vouches, row.allowed_ns)


def every(tx: Tx) -> list[AllowedHive]:
    """Return all Hives, the one that was allowed first first."""
    owned: dict[str, set[str]] = {}
    for row in tx.execute(select(schema.domains)):
        owned.setdefault(row.hive, set()).add(row.domain)
    rows = tx.execute(select(schema.hives).order_by(_hives.allowed_ns, _hives.key))
    return [AllowedHive(row.key, frozenset(owned.get(row.key, ())), row.vouches, row.allowed_ns) for row in rows]


def domains_of_others(tx: Tx, key: str) -> frozenset[str]:
    """Return the domains that other Hives have."""
    return frozenset(tx.scalars(select(_domains.domain).where(_domains.hive != key)))


def allow(tx: Tx, key: str, domains: Collection[str], *, vouches: bool, now_ns: int) -> None:
    """Write a Hive, with these domains in place of those it had."""
    if get(tx, key) is None:
        tx.execute(schema.hives.insert().values(key=key, vouches=vouches, allowed_ns=now_ns))
    tx.execute(update(schema.hives).where(_hives.key == key).values(vouches=vouches))
    tx.execute(delete(schema.domains).where(_domains.hive == key))
    for domain in sorted(set(domains)):
        tx.execute(schema.domains.insert().values(domain=domain, hive=key))


def forget(tx: Tx, key: str) -> None:
    """Remove a Hive. What it had routed is the caller's to remove."""
    tx.execute(delete(schema.domains).where(_domains.hive == key))
    tx.execute(delete(schema.hives).where(_hives.key == key))
