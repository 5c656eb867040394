"""Reading a Device's audit log through its Hive, and checking that it is what that Device said.

The Device signs the end of its log for a nonce that is drawn here, so that a
Hive can neither invent a log nor hand out an older one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import known_devices, recognising
from mosaic.core.audit import Row, head_text
from mosaic.core.errors import Corrupt
from mosaic.crypto import device_keys
from mosaic.wire.api import Device
from mosaic.wire.audit import Page


class AuditBroken(Corrupt):
    """An audit log was changed, is not whole, or is not the Device's."""

    code = "audit-broken"

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__(
            "; ".join(findings),
            hint="docs/commands.md says what each sentence means; `mosaic audit list --json` keeps a copy of a log",
        )


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """A Device's rows. `signed_head` is the end that it signed, `seen` the one that was verified here last.

    `remark` says what its signature does not show.
    """

    name: str
    device: str
    rows: list[Row]
    signed_head: str
    seen: str
    remark: str


def path_of(device: Device) -> str:
    """Return where a Device's log is read."""
    return f"/api/devices/{segment(device.device)}/audit"


def read(hive: HiveClient, device: Device, account: str, *, owner_key: str) -> DeviceLog:
    """Read a Device's whole log and check its signature. Raises AuditBroken, DeviceForged, and the Hive's refusals."""
    nonce = secrets.token_hex(32)
    first, rows = _pages(hive, path_of(device), {"nonce": nonce})
    known = known_devices.find(account, device.device)
    seen = known.audit_head if known is not None else ""
    if not (first.signature and device.signing_key):
        if seen:
            raise AuditBroken([f"the log of {device.name} came without its signature, and was signed before"])
        remark = (
            f"the log of {device.name} is not signed, so its Hive could have invented it; "
            "Mosaic on that machine, or the Hive, is of an earlier version"
        )
        return DeviceLog(device.name, device.device, rows, "", "", remark)
    one = recognising.named(device, owner_key)
    is_known = recognising.is_known(one, account)
    if not device_keys.is_audit_head(first.head, first.signature, one.keys, nonce):
        raise AuditBroken([f"{device.name} did not sign the log that the Hive passes on as its"])
    # Its number counts as well: anybody can add rows to a chain, behind the end that was signed.
    if first.head not in {head_text(row.n, row.hash) for row in rows if row.n == first.newest}:
        raise AuditBroken([f"the log that the Hive passes on does not end as {device.name} signed it"])
    remark = (
        ""
        if is_known
        else f"the key that signed the log of {device.name} was not compared on this machine: "
        f"`mosaic device fingerprint {device.name}`"
    )
    # What came after it was read in later pages, and is signed by nobody.
    signed = [row for row in rows if row.n <= first.newest]
    return DeviceLog(device.name, device.device, signed, first.head, seen, remark)


def read_rows(hive: HiveClient, path: str, *, after: int = 0) -> list[Row]:
    """Read a log to the end that it has now: of a Device's, each question makes it longer."""
    return _pages(hive, path, {}, after=after)[1]


def _pages(hive: HiveClient, path: str, asked: dict[str, str], *, after: int = 0) -> tuple[Page, list[Row]]:
    """Return the first page, and all rows."""
    first = page = hive.get(path, Page, query={"after": str(after), **asked})
    rows = list(page.rows)
    came_to = after
    # A Hive that sends the same rows again would be asked for ever.
    while page.rows and came_to < page.rows[-1].n < first.newest:
        came_to = page.rows[-1].n
        page = hive.get(path, Page, query={"after": str(came_to), **asked})
        rows += page.rows
    return first, rows
