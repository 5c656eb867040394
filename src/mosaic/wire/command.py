"""Imperative commands: a closed union (G8). The Device builds the argv from templates; nothing here is one.

A command has an id, an instant after which it is not carried out any more, and
a sequence number within the session. The Device's ledger makes each happen
once. What a command may say is validated on the Device again.
"""

from typing import Literal

import msgspec


class ReadLogs(msgspec.Struct, frozen=True, tag="read-logs"):
    """The last lines of one service of an installation (all services when None). At most 2,000 lines."""

    installation: str
    service: str | None
    lines: int


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Stop the app and let the reconcile loop start it again."""

    installation: str


class DiskSpace(msgspec.Struct, frozen=True, tag="disk-space"):
    """How full the pool and the engine's disk are."""


class Doctor(msgspec.Struct, frozen=True, tag="doctor"):
    """Run the start-up checks again."""


CommandBody = ReadLogs | Restart | DiskSpace | Doctor


class Command(msgspec.Struct, frozen=True):
    """`expires_ns` is an instant in ns since 1970 UTC by the Hive's clock; `seq` grows by one in a session."""

    id: str
    seq: int
    expires_ns: int
    body: CommandBody


class CommandResult(msgspec.Struct, frozen=True):
    """What came of a command. `output` is text for people, at most 256 KiB."""

    id: str
    outcome: Literal["done", "refused", "failed", "expired"]
    output: str
    code: str = ""
    hint: str = ""
