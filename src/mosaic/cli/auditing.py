"""The audit logs on the command line. They are compared here, and not by the Hive that they are about."""

import msgspec

from mosaic.cli import credentials, device_log, known_devices, recognising
from mosaic.cli.connection import connected
from mosaic.cli.device_log import AuditBroken, DeviceLog, read_rows
from mosaic.cli.devices import find
from mosaic.cli.output import Output, printable
from mosaic.cli.recognising import DeviceForged
from mosaic.cli.units import second
from mosaic.core.audit import Row, head_text
from mosaic.core.audit_compare import compare, inspect, still_has
from mosaic.core.errors import MosaicError
from mosaic.wire.api import Device
from mosaic.wire.audit import Page

_HIVE = "/api/audit"


class Verified(msgspec.Struct, frozen=True):
    """How many rows there were, with which Devices it was compared, with which not and why, and what is to be known."""

    rows: int
    compared: list[str]
    not_compared: dict[str, str]
    remarks: list[str]


def show(out: Output, device: str | None, last: int) -> None:
    """List the newest rows of a log."""
    with connected() as hive:
        path = _HIVE if device is None else device_log.path_of(find(hive, device))
        newest = hive.get(path, Page, query={"after": str(2**53)}).newest
        rows = read_rows(hive, path, after=max(0, newest - last))[-last:]
    cells = [
        [
            str(row.n),
            second(row.entry.at_ns),
            row.entry.by,
            row.entry.kind,
            row.entry.outcome,
            printable(_said(row)),
        ]
        for row in rows
    ]
    out.table(rows, ["ROW", "WHEN", "BY", "WHAT", "OUTCOME", "SAID"], cells, empty="Nothing was ordered yet.")


def verify(out: Output, device: str | None) -> None:
    """Check the Hive's log, and compare it with those of the Devices, each of which signs its own. Raises AuditBroken.

    What held is noted on this machine, and looked for the next time.
    """
    account = credentials.load().account
    with connected() as hive:
        devices = [find(hive, device)] if device is not None else hive.get("/api/devices", list[Device])
        owner_key = recognising.named_owner(hive)
        theirs: list[DeviceLog] = []
        not_compared: dict[str, str] = {}
        for each in devices:
            try:
                # Before the Hive's, which grows by this very question.
                theirs.append(device_log.read(hive, each, account, owner_key=owner_key))
            except (AuditBroken, DeviceForged):
                raise
            except MosaicError as error:
                if device is not None:
                    raise
                not_compared[each.name] = error.message
        ours = read_rows(hive, _HIVE)
    findings = inspect("hive", ours)
    findings += still_has("the Hive's log", ours, known_devices.hive_audit_head(account))
    remarks: list[str] = []
    for log in theirs:
        findings += inspect(log.name, log.rows)
        findings += compare(ours, log.rows, name=log.name, device_id=log.device)
        findings += still_has(f"the log of {log.name}", log.rows, log.seen)
        remarks += [log.remark] if log.remark else []
    broken = [found for found in findings if found.verdict != "came-back"]
    if broken:
        raise AuditBroken([found.text for found in broken])
    for log in theirs:
        known_devices.note_audit_head(account, log.device, log.signed_head)
    if ours:
        known_devices.note_hive_audit_head(account, head_text(ours[-1].n, ours[-1].hash))
    remarks += [found.text for found in findings]
    done = Verified(len(ours), sorted(log.name for log in theirs), not_compared, remarks)
    out.result(done, _in_words(done))


def _in_words(done: Verified) -> str:
    lines = [f"The Hive's log is whole: {done.rows} rows."]
    if done.compared:
        lines.append(f"It fits the logs of {', '.join(done.compared)}.")
    lines += [f"To be known: {remark}." for remark in done.remarks]
    lines += [f"Not compared with {name}: {why}." for name, why in done.not_compared.items()]
    return "\n".join(lines)


def _said(row: Row) -> str:
    said = row.entry.said
    return said.get("text") or " ".join(f"{key}={value}" for key, value in said.items())
