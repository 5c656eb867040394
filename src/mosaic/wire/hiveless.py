"""What `mosaic storage …` asks the storage daemon about volumes that no Hive knows.

Over the same socket as `mosaic.wire.storage`, and like its verbs:

| verb | request | answer |
|---|---|---|
| hiveless | Nothing | HivelessVolumes |
| recovery | NamedVolume | RecoveryCode |
| recovery-shown | NamedVolume | Done |
| trash-restore | NamedVolume | NamedVolume |
| trash-delete | NamedVolume | NamedVolume |
"""

import msgspec

from mosaic.wire.storage import ConflictSnapshot, Failure

HIVELESS_VERBS = frozenset(
    {"/v1/hiveless", "/v1/recovery", "/v1/recovery-shown", "/v1/trash-restore", "/v1/trash-delete"}
)
"""The paths of these verbs."""


class Nothing(msgspec.Struct, frozen=True):
    """No more is to be said."""


class NamedVolume(msgspec.Struct, frozen=True):
    """A volume by the name that the engine has, or had, for it."""

    name: str


class RecoveryCode(msgspec.Struct, frozen=True):
    """A secret: nine groups, shown once. It waits until `recovery-shown` says that it was."""

    code: str


class HivelessVolume(msgspec.Struct, frozen=True):
    """One volume. `confirmed`: the store was asked since it is held. `has_data`: there is a local copy.

    `keeps` is the rule for its snapshots, None until the store was asked for it.
    """

    name: str
    public_key: str
    store: str
    key_file: str
    state: str
    same_machine: bool
    last_replicated_ns: int | None
    waiting_bytes: int
    epoch: str | None
    confirmed: bool
    mounts: int
    moved_bytes: int | None
    total_bytes: int | None
    problem: Failure | None
    conflicts: list[ConflictSnapshot]
    removed_ns: int | None
    has_data: bool
    keeps: str | None = None


class HivelessVolumes(msgspec.Struct, frozen=True):
    """All of them."""

    volumes: list[HivelessVolume]
