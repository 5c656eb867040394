"""What is said of audit logs. A row is `mosaic.core.audit.Row`, whose bytes its hash is of are described there."""

import re

import msgspec

from mosaic.core.audit import Entry, Row
from mosaic.wire.command import AppAction, CommandBody, ReadAudit, ReadLogs, SetNetwork, Upgrade, kind_of

AUDIT_HEAD_CONTEXT = b"mosaic audit head v1\0"
"""A Device signs its id, the end of its log, and the reader's nonce (text, joined by line feeds)."""

NONCE = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""What a reader asks with, so that an older answer is not taken for a new one."""

PAGE_ROWS = 200
"""Rows in one answer at most. A Device sends fewer where their texts are long: `device.audit_log`."""


class Page(msgspec.Struct, frozen=True):
    """Some rows. `newest` is the number of the last row that there was when it was asked.

    A Device signs the end of its log, `head` (as `core.audit.head_text` writes
    it, with the number `newest`), for the nonce that came with the question.
    Both are "" in the Hive's own pages and those of Devices of earlier versions.
    """

    rows: list[Row]
    newest: int
    head: str = ""
    signature: str = ""


def head_signed(device: str, head: str, nonce: str) -> bytes:
    """Return what a Device signs under AUDIT_HEAD_CONTEXT."""
    return f"{device}\n{head}\n{nonce}".encode()


def said_of(body: CommandBody) -> dict[str, str]:
    """Return a command's parameters as both sides write them down: without what is secret."""
    match body:
        case ReadLogs(service=service, lines=lines):
            return {"service": service or "", "lines": str(lines)}
        case ReadAudit(after=after):
            return {"after": str(after)}
        case AppAction(action=action, values=values, sealed=sealed):
            return {"action": action, "secrets": "yes" if sealed else "no", **_inputs(values)}
        case Upgrade(wish, catalog, digest, again):
            return {"wish": wish, "catalog": catalog, "digest": digest, "again": "yes" if again else "no"}
        case SetNetwork(https, names):
            return {name: _switch(value) for name, value in (("https", https), ("names", names)) if value is not None}
        case _:
            return {}


def entry_of(body: CommandBody, *, at_ns: int, by: str, device: str, command: str, outcome: str, other: str) -> Entry:
    """Return what is written down of a command."""
    subject = getattr(body, "installation", "")
    return Entry(at_ns, by, kind_of(body), str(subject), device, said_of(body), outcome, command, other)


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _inputs(values: dict[str, str]) -> dict[str, str]:
    return {f"input {name}": value for name, value in values.items()}
