"""The Device's audit log: every command that it carried out or refused, and what it was newly assigned, in its ledger.

Rows are `mosaic.core.audit`'s. The newest `KEPT` stay: of a few orders a day
that is years.
"""

import msgspec

from mosaic.adapters.ledger import Ledger
from mosaic.core import audit
from mosaic.core.audit import Entry, Head, Row
from mosaic.wire.audit import PAGE_ROWS, Page

KEPT = 10_000
LET_GO_AT_ONCE = 1_000
PAGE_BYTES = 128 * 1024
"""Of rows in one answer as JSON, unless the first alone is longer; `core.audit` bounds a row."""

_HEAD = "head"


class AuditLog:
    """The rows, by their numbers. Each write is a transaction, or part of the one around it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rows = ledger.bucket("audit", Row)
        self._heads = ledger.bucket("audit-head", Head)

    @property
    def head(self) -> Head:
        """The end of the chain."""
        return self._heads.get(_HEAD) or Head()

    def append(self, entry: Entry) -> Head:
        """Write a row, and let the oldest ones go when there are many. Returns the head."""
        with self._ledger.transaction():
            head = self._put(self.head, entry)
            if head.n - head.first >= KEPT + LET_GO_AT_ONCE:
                head = self._let_go(head, now_ns=entry.at_ns)
            self._heads.put(_HEAD, head)
        return head

    def page(self, after: int) -> Page:
        """Return some rows after a number, the oldest first."""
        head = self.head
        rows: list[Row] = []
        size = 0
        first = max(after + 1, head.first)
        for n in range(first, min(head.n, first + PAGE_ROWS - 1) + 1):
            row = self._rows.get(_key(n))
            # One that somebody took out is missing in the answer as well, which shows.
            if row is None:
                continue
            size += len(msgspec.json.encode(row))
            if rows and size > PAGE_BYTES:
                break
            rows.append(row)
        return Page(rows, head.n, head.text)

    def _put(self, head: Head, entry: Entry) -> Head:
        row = audit.follow(head, entry)
        self._rows.put(_key(row.n), row)
        return audit.after(head, row)

    def _let_go(self, head: Head, *, now_ns: int) -> Head:
        end = head.n - KEPT
        last = self._rows.get(_key(end))
        if last is None:
            return head
        head = self._put(head, audit.letting_go(last, now_ns=now_ns))
        self._rows.delete_between(_key(0), _key(end + 1))
        return Head(head.n, head.hash, end + 1)


def _key(n: int) -> str:
    return f"{n:019d}"
