"""The Hive's copy of its own database in a store: what is kept about it, and what its owner is told."""

import msgspec


class BackupStatus(msgspec.Struct, frozen=True):
    """The newest attempt, as the backup itself noted it. Times in ns since 1970 UTC.

    `instant_ns` is the instant of the newest copy that the store acknowledged,
    None before the first. `same_machine` says that the store lies on the
    Hive's own machine and dies with it. `code`, `message` and `hint` say why
    the newest attempt failed; they are empty when it did not.
    """

    to: str
    same_machine: bool
    instant_ns: int | None
    tried_ns: int
    seq: int = 0
    uploaded_bytes: int = 0
    code: str = ""
    message: str = ""
    hint: str = ""


class Awaited(msgspec.Struct, frozen=True):
    """A Device that a recovered Hive still has to hear from."""

    device: str
    name: str


class HiveState(msgspec.Struct, frozen=True):
    """How the Hive itself is. `backup` is None while none was ever made; `backed_up` says whether one is set up.

    `unsaved_since_ns` is the instant of the oldest change that the newest copy
    lacks, None when it has everything. While `recovering`, nothing is granted,
    moved or deleted until every Device in `awaited` has reported or was waived.
    """

    backed_up: bool
    backup: BackupStatus | None
    unsaved_since_ns: int | None
    recovering: bool
    awaited: list[Awaited] = []


class KitRequest(msgspec.Struct, frozen=True):
    """Ask for the Hive's part of a recovery kit. `auth_key` (hex) proves the passphrase."""

    auth_key: str


class HiveKit(msgspec.Struct, frozen=True):
    """The Hive's part of a recovery kit. `to` is where the copies are, None when none are made."""

    backup_code: str
    to: str | None

    def __repr__(self) -> str:
        return f"HiveKit(not shown, {self.to!r})"
