"""Imperative commands: a closed union (G8). The Device builds the argv from templates; nothing here is one.

A command has an id, an instant after which it is not carried out any more, and
a sequence number within the session. The Device's ledger makes each happen
once. What a command may say is validated on the Device again.

There are five families. Those of the scheduler are few: what should run and
what should stop a Device is told by its Assignments, whose loss never matters.

A Hive sends a kind only to a Device whose Hello says that it knows it; one
that says nothing knows `SPOKEN_SINCE_EVER`.
"""

from typing import Literal, TypeAlias, get_args

import msgspec

from mosaic.core.app_actions import MAX_TIMEOUT_SECONDS

ACTION_ANSWER_SECONDS = MAX_TIMEOUT_SECONDS + 20.0
"""How long a Hive waits for an app's action at most."""

MAX_OUTPUT = 256 * 1024
"""Bytes of a result's text at most."""


class ReadLogs(msgspec.Struct, frozen=True, tag="read-logs"):
    """The last lines of one service of an installation (all services when None). At most 2,000 lines."""

    installation: str
    service: str | None
    lines: int


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """Stop the app and let the reconcile loop start it again."""

    installation: str


class UpdateReport(msgspec.Struct, frozen=True, tag="update-report"):
    """What the last update of an installation that failed left: log lines, exit codes, what the probe was told."""

    installation: str


class DiskSpace(msgspec.Struct, frozen=True, tag="disk-space"):
    """How full the pool and the engine's disk are."""


class Doctor(msgspec.Struct, frozen=True, tag="doctor"):
    """Run the start-up checks again."""


class ReadActions(msgspec.Struct, frozen=True, tag="read-actions"):
    """What can be done in an app, as the version that runs there says. The output is a `wire.actions.Actions`."""

    installation: str


class ReadAudit(msgspec.Struct, frozen=True, tag="read-audit"):
    """The Device's audit log after a row's number, the oldest first. The output is a `wire.audit.Page`.

    With a `nonce` (64 hex letters) the end of the log is signed for it.
    """

    after: int
    nonce: str = ""


class AppAction(msgspec.Struct, frozen=True, tag="app-action"):
    """Run an action that the app names. `values` are its inputs, but for the secret ones.

    Those are in `sealed` (hex, "" without any), which only the Device can
    open: see `mosaic.crypto.action_secrets`.
    """

    installation: str
    action: str
    values: dict[str, str] = {}
    sealed: str = ""


class Upgrade(msgspec.Struct, frozen=True, tag="upgrade"):
    """Become the version of Mosaic that the package `digest` of the owner's `catalog` holds (decision 55).

    The answer comes as soon as it has begun; what came of it is in `Report.upgrade`, under this `wish`.
    `again` is the owner's word: one that was put back here before is tried once more.
    """

    wish: str
    catalog: str
    digest: str
    again: bool = False


class SetNetwork(msgspec.Struct, frozen=True, tag="set-network"):
    """How apps are found on the Device's own network: `mosaic.wire.lan.SetLan`. The output is a `LanState`.

    Nothing is opened by it: which apps are is said by their assignments.
    """

    https: bool | None
    names: bool | None


SchedulerAction: TypeAlias = Restart
SystemCommand: TypeAlias = ReadLogs | UpdateReport | DiskSpace | Doctor | ReadActions | ReadAudit
UpgradeCommand: TypeAlias = Upgrade
NetworkCommand: TypeAlias = SetNetwork
CommandBody: TypeAlias = SchedulerAction | SystemCommand | AppAction | UpgradeCommand | NetworkCommand

SPOKEN_SINCE_EVER = frozenset({"read-logs", "restart", "update-report", "disk-space", "doctor"})


def kind_of(body: CommandBody) -> str:
    """Return the tag of a command."""
    tag = body.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def spoken_here() -> list[str]:
    """Return the tags of all commands that this program knows, sorted."""
    return sorted(each.__struct_config__.tag for each in get_args(CommandBody))


class Command(msgspec.Struct, frozen=True):
    """`expires_ns` is an instant in ns since 1970 UTC by the Hive's clock; `seq` grows by one in a session.

    `audit` is the head of the Hive's audit log with the row of this command.
    """

    id: str
    seq: int
    expires_ns: int
    body: CommandBody
    audit: str = ""


class CommandResult(msgspec.Struct, frozen=True):
    """What came of a command. `output` is text for people, at most 256 KiB.

    `audit` is the head of the Device's audit log with the row of this result.
    """

    id: str
    outcome: Literal["done", "refused", "failed", "expired"]
    output: str
    code: str = ""
    hint: str = ""
    audit: str = ""
