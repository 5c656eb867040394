"""The messages between a Device and its Hive, over one outbound WebSocket.

Frames are JSON text. The order at the start:

    Device  Hello        who, which session, which versions, a nonce
    Hive    Challenge    its key, a nonce, and a signature over ours
    Device  Proof        a signature over the Hive's nonce
    Hive    Welcome      the session's bearer token      (or Goodbye, and the connection ends)
    Hive    Welcome      once more, as soon as the owner has admitted a Device that was not yet, and when the
                         Hive's clock was set
    Hive    Assignments  everything that this Device should hold, now and on every change
    Device  Report       on every change
    Device  Heartbeat    every `report_seconds` without one (a Report, where the Hive does not know heartbeats)
    Hive    ReportAgain  when it does not have the Report that a heartbeat names
    Hive    ReportHeard  when it has a Report that wants an answer

What is signed (contexts of `mosaic.crypto.signing`): the Hive signs
`nonce + device + session` under HIVE_CONTEXT, the Device signs
`nonce + hive_key + session` under DEVICE_CONTEXT (text, joined by newlines).
The Device goes on only if the Hive's key is the one that it pinned.

Level-triggered: Assignments and Report always carry the whole picture, so that
losing any message never matters. `revision` lets a Device ignore an older one.
"""

import msgspec

from mosaic.wire.assignment import Assignment
from mosaic.wire.command import Command, CommandResult
from mosaic.wire.heartbeat import Heartbeat
from mosaic.wire.report import Report

PATH = "/api/device/channel"
"""Where the Hive answers the WebSocket; no authorization but the handshake."""

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1
HIVE_CONTEXT = b"mosaic channel hive v1\0"
DEVICE_CONTEXT = b"mosaic channel device v1\0"


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first frame. `device` and `session` are ids; `nonce` is 32 random bytes as hex.

    Both sides go by the protocol's numbers; `version` is empty since the program's is told in reports, if at all.
    `commands` are the tags of the commands that the Device knows, beyond those
    that every Device ever knew (`wire.command.SPOKEN_SINCE_EVER`).
    """

    device: str
    session: str
    nonce: str
    protocol_min: int
    protocol_max: int
    version: str = ""
    commands: list[str] = []


class Challenge(msgspec.Struct, frozen=True, tag="challenge"):
    """`hive_key` is the Hive's Ed25519 public key (hex); `signature` (hex) is over the Device's nonce."""

    protocol: int
    hive_key: str
    nonce: str
    signature: str


class Proof(msgspec.Struct, frozen=True, tag="proof"):
    """`signature` (hex) by the Device's key over the Hive's nonce."""

    signature: str


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The session is the newest of this Device. `token` is good for the blob endpoint while it stays so.

    `admitted` is False until the owner has admitted the Device; it gets no
    work before. A second Welcome with `admitted` True and the same token
    follows the owner's admission, before the first Assignments: what needs
    the root key, or the blob endpoint, can be tried then. Another follows when
    the Hive's clock was set. `hive_machine` names the machine that the Hive's
    blobs lie on. `now_ns` is the Hive's clock, by which commands expire; 0 when
    it does not say. `recovering` says that the Hive lost some of its past and
    wants to hear everything that the Device knows (`mosaic.wire.recollection`);
    until it has, it sends no Assignments. `heartbeats` says that it understands
    them.
    """

    token: str
    admitted: bool
    report_seconds: float
    hive_machine: str
    term: int
    now_ns: int = 0
    recovering: bool = False
    heartbeats: bool = False


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """The Hive ends the connection for a reason that trying again does not mend, unless `retry`.

    Codes: `device-unknown`, `device-removed`, `session-superseded`,
    `protocol-unknown`, `proof-wrong`, `hive-busy` (retry).
    """

    code: str
    message: str
    hint: str
    retry: bool = False


class Assignments(msgspec.Struct, frozen=True, tag="assignments"):
    """Everything that this Device should hold. An installation that is missing is not this Device's (any more).

    `root_id` names the account's present root key, which the wrapped seeds are
    under: a Device that has another one fetches it first. "" when none is noted.
    `upgrades` says that the owner opted in to automatic upgrades of the Device.
    """

    revision: int
    items: list[Assignment]
    root_id: str = ""
    upgrades: bool = False


class Reported(msgspec.Struct, frozen=True, tag="report"):
    """A Report, framed. `digest` names its lasting part for the heartbeats that follow; "" when none will.

    `answer`: the Hive shall say that it has it. A Device asks so while it is a version that is on trial.
    """

    report: Report
    digest: str = ""
    answer: bool = False


class ReportAgain(msgspec.Struct, frozen=True, tag="report-again"):
    """The Hive does not have the Report that a heartbeat named. Only sent in answer to one."""


class ReportHeard(msgspec.Struct, frozen=True, tag="report-heard"):
    """The Hive has a Report. Only sent in answer to one that wants it."""


class Ordered(msgspec.Struct, frozen=True, tag="command"):
    """A Command, framed."""

    command: Command


class Answered(msgspec.Struct, frozen=True, tag="command-result"):
    """A CommandResult, framed."""

    result: CommandResult


FromHive = Challenge | Welcome | Goodbye | Assignments | Ordered | ReportAgain | ReportHeard
FromDevice = Hello | Proof | Reported | Answered | Heartbeat
