"""Reading the audit logs: the Hive's own, and a Device's, which it is asked for. Who compares them is the reader."""

import msgspec

from mosaic.adapters.sql import audit
from mosaic.adapters.sql.engine import Tx
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId
from mosaic.hive import ordering
from mosaic.hive.finding import find_device
from mosaic.hive.runtime import Hive
from mosaic.wire.audit import NONCE, PAGE_ROWS, Page
from mosaic.wire.command import ReadAudit

_MOST = 2**62
"""Beyond every row, and still a number that a message can carry."""


class AuditUnreadable(Refused):
    """The Device did not hand over its audit log."""

    code = "audit-unreadable"


async def read_audit(hive: Hive, who: AccountId, *, after: int) -> Page:
    """Return some rows of the account's log after a number, the oldest first."""

    def look(tx: Tx) -> Page:
        newest = audit.newest(tx, who)
        return Page(audit.after(tx, who, max(0, min(after, newest)), limit=PAGE_ROWS), newest)

    return await hive.read(look)


async def read_device_audit(hive: Hive, who: AccountId, device: str, *, after: int, nonce: str = "") -> Page:
    """Ask a Device for some rows of its log, whose end it signs for the reader's nonce.

    Raises DeviceOffline, DeviceSlow, DeviceTooOld, AuditUnreadable.
    """
    found = await hive.read(lambda tx: find_device(tx, who, device))
    asked = nonce if NONCE.fullmatch(nonce) else ""
    result = await ordering.order(hive, who, found.id, ReadAudit(max(0, min(after, _MOST)), asked))
    if result.outcome != "done":
        raise AuditUnreadable(result.output[:500] or f"{found.name} refused", hint=result.hint or "try again")
    try:
        return msgspec.json.decode(result.output, type=Page)
    except msgspec.MsgspecError:
        raise AuditUnreadable(
            f"the audit log of {found.name} cannot be read", hint="its rows have another shape: update Mosaic there"
        ) from None
