"""The Hive's audit logs, one chain for each account: what was ordered, by whom, and what came of it.

Rows are `mosaic.core.audit`'s; none is ever changed. The newest 100,000 stay.
"""

import msgspec
from sqlalchemy import delete, func, select

from mosaic.adapters.sql import schema
from mosaic.adapters.sql.engine import Tx
from mosaic.core import audit
from mosaic.core.audit import NOTHING, Entry, Head, Row
from mosaic.core.ids import AccountId

KEPT = 100_000
LET_GO_AT_ONCE = 10_000

_audit = schema.audit.c


def append(tx: Tx, account: AccountId, entry: Entry) -> Head:
    """Write a row and return the head with it.

    The account's row is locked, so that no two rows follow one. Take other locks first.
    """
    tx.execute(select(schema.accounts.c.id).where(schema.accounts.c.id == account).with_for_update())
    head = _put(tx, account, _head(tx, account), entry)
    if head.n % LET_GO_AT_ONCE == 0:
        head = _let_go(tx, account, head, now_ns=entry.at_ns)
    return head


def newest(tx: Tx, account: AccountId) -> int:
    """Return the number of the newest row, 0 without one."""
    return _head(tx, account).n


def after(tx: Tx, account: AccountId, n: int, *, limit: int) -> list[Row]:
    """Return the rows after a number, the oldest first."""
    query = select(schema.audit).where(_audit.account == account, _audit.n > n).order_by(_audit.n).limit(limit)
    return [Row(row.n, row.previous, row.hash, msgspec.json.decode(row.entry, type=Entry)) for row in tx.execute(query)]


def _head(tx: Tx, account: AccountId) -> Head:
    query = select(_audit.n, _audit.hash).where(_audit.account == account).order_by(_audit.n.desc()).limit(1)
    found = tx.execute(query).first()
    return Head(found.n, found.hash) if found is not None else Head(0, NOTHING)


def _put(tx: Tx, account: AccountId, head: Head, entry: Entry) -> Head:
    row = audit.follow(head, entry)
    tx.execute(
        schema.audit.insert().values(
            account=account,
            n=row.n,
            previous=row.previous,
            hash=row.hash,
            entry=msgspec.json.encode(row.entry).decode(),
        )
    )
    return audit.after(head, row)


def _let_go(tx: Tx, account: AccountId, head: Head, *, now_ns: int) -> Head:
    oldest = tx.scalar(select(func.min(_audit.n)).where(_audit.account == account)) or head.n
    end = head.n - KEPT
    if oldest > end:
        return head
    (last,) = after(tx, account, end - 1, limit=1)
    head = _put(tx, account, head, audit.letting_go(last, now_ns=now_ns))
    tx.execute(delete(schema.audit).where(_audit.account == account, _audit.n <= end))
    return head
