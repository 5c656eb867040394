"""What happened, in order, per account. Old events go: the newest 10,000 stay that tell people something, and of
those that only wake pages the newest 1,000."""

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Select, delete, func, select

from mosaic.adapters.sql import audit, schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core.audit import Entry
from mosaic.core.ids import AccountId
from mosaic.wire.api import Event

_events = schema.events.c
KEPT = 10_000
NOISE = frozenset({"device-reported", "head-accepted"})
"""Kinds that say `read it again`: they wake pages, and tell people nothing. One busy app writes 5,760 a day."""

NOISE_KEPT = 1_000

Orderer: TypeAlias = Literal["owner", "scheduler", "hive"]

ORDERED: Mapping[Orderer, frozenset[str]] = {
    "owner": frozenset({
        "installed", "started", "stopped", "restarting", "opened", "closed", "uninstalled", "restored", "forked",
        "move-preparing", "move-arriving", "going-back", "updating", "follows", "stays", "rekeying", "keeping-changed",
        "policy-changed", "approved", "app-imported", "app-removed", "catalog-added", "catalog-removed",
        "device-joined", "device-admitted", "device-leaving", "device-stays", "device-removed", "device-waived",
        "keys-set", "root-key-renewed", "login",
        "link-added", "link-removed", "link-port-added", "link-port-removed",
        "link-name-added", "link-name-removed", "link-rotated", "link-moved",
    }),
    "scheduler": frozenset({"holder-changed", "updating"}),
    "hive": frozenset({"hive-recovered"}),
}  # fmt: skip
"""Which events tell of something that was ordered or granted, by who ordered it."""


class Happened(msgspec.Struct, frozen=True):
    """An event before it has its number."""

    account: AccountId
    kind: str
    subject: str
    text: str


def add(tx: Tx, happened: Happened, *, now_ns: int, by: Orderer = "owner") -> None:
    """Append one event; one that tells of an order goes into the audit log as well, as that of `by`.

    The account's row is locked, so that events become visible in the order of
    their numbers and a reader that goes on after one misses none. Take other
    locks first.
    """
    tx.execute(select(schema.accounts.c.id).where(schema.accounts.c.id == happened.account).with_for_update())
    inserted = tx.execute(
        schema.events.insert().values(
            account=happened.account,
            at_ns=now_ns,
            kind=happened.kind,
            subject=happened.subject,
            text=happened.text,
        )
    ).inserted_primary_key
    if happened.kind in ORDERED[by]:
        said = {"text": happened.text}
        audit.append(tx, happened.account, Entry(now_ns, by, happened.kind, happened.subject, said=said))
    number = inserted[0] if inserted else 0
    if number % 1000 == 0:
        _let_go(tx, happened.account)


def _let_go(tx: Tx, account: AccountId) -> None:
    for kinds, kept in ((_events.kind.in_(NOISE), NOISE_KEPT), (_events.kind.not_in(NOISE), KEPT)):
        these = [_events.account == account, kinds]
        oldest = tx.scalar(select(_events.id).where(*these).order_by(_events.id.desc()).offset(kept - 1).limit(1))
        if oldest is not None:
            tx.execute(delete(schema.events).where(*these, _events.id < oldest))


def after(tx: Tx, account: AccountId, number: int, *, limit: int = 500) -> list[Event]:
    """Return the account's events after that number, the oldest first."""
    query = select(schema.events).where(_events.account == account, _events.id > number)
    return _read(tx, query.order_by(_events.id).limit(limit))


def latest(tx: Tx, account: AccountId, *, limit: int, leave_out: Collection[str] = ()) -> list[Event]:
    """Return the account's newest events, the newest first, without those of the kinds to leave out."""
    query = select(schema.events).where(_events.account == account, _events.kind.not_in(leave_out))
    return _read(tx, query.order_by(_events.id.desc()).limit(limit))


def newest(tx: Tx, account: AccountId) -> int:
    """Return the number of the account's newest event, 0 without one."""
    return tx.scalar(select(func.max(_events.id)).where(_events.account == account)) or 0


def _read(tx: Tx, query: Select[tuple[object, ...]]) -> list[Event]:
    return [Event(row.id, row.at_ns, row.kind, row.subject, row.text) for row in tx.execute(query)]
