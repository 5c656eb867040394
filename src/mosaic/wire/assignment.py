"""What the Hive asks of a Device for one installation: a goal, and all it needs to reach it."""

from typing import Literal

import msgspec

from mosaic.wire.device_links import AssignedLink
from mosaic.wire.updating import Update

Goal = Literal["run", "stop", "prepare", "leave", "drop"]
"""
run      hold `epoch`, app running
stop     hold `epoch`, app stopped, volumes replicated
prepare  no epoch: check architecture, space, images and ports, and restore ahead of a coming move
leave    stop the app, replicate the last snapshot, release `epoch`; keep the local data
drop     another Device has it, healthy and replicated: the local data may go
"""


class VolumeAssignment(msgspec.Struct, frozen=True):
    """One volume of the installation.

    `wrapped_seed` (hex) is the seed's envelope under the account's root key.
    `base` is the head that the grant froze (hash), None when there is none;
    `newest` the newest accepted head now, for `prepare` and `drop`.
    """

    volume: str
    kind: Literal["data", "link"]
    wrapped_seed: str
    base: str | None
    newest: str | None
    store_envelope: str | None = None


class PortWish(msgspec.Struct, frozen=True):
    """A port that this installation was given before, so that it keeps it where it can."""

    service: str
    container_port: int
    protocol: str
    host_port: int


class GoingBack(msgspec.Struct, frozen=True):
    """The owner wants a volume as it was: at the snapshot `head` (hash), or as its conflict snapshot has it.

    `id` is the wish's: it is carried out once. The assignment's own bundle is
    the one to run then; `present_digest` is what the present belongs to.
    """

    id: str
    volume: str
    head: str | None
    present_digest: str
    conflict: str | None = None


class Origin(msgspec.Struct, frozen=True):
    """What a fork's data begins with, until it has a head of its own: the snapshot `head` of another volume.

    `wrapped_seed` is that volume's, under the same account's root key.
    """

    volume: str
    wrapped_seed: str
    head: str


class Assignment(msgspec.Struct, frozen=True):
    """One installation and what this Device should do about it.

    `epoch` is the lease's (`term.n`), None for `prepare` and `drop`. `volumes`
    is empty until a Device made the keys. `images` pins services to image ids
    once a Device resolved them. `open` services' ports are bound beyond
    loopback. `config` are values for the compose file's variables; `grants`
    are what the owner granted beyond the policy, and count only with
    `grant_proof`, the owner's signature over them (hex, see `wire.grants`).
    The app is run when somebody vouches for it whom the Device believes: its
    `catalog` (a name; empty: none), or the owner by `approval` (hex, see
    `wire.approval`). `update` is an open wish for another version,
    `link` the installation's public way, if it has one.
    """

    installation: str
    name: str
    app: str
    app_digest: str
    config_revision: int
    goal: Goal
    epoch: str | None
    failover: Literal["manual", "automatic"]
    volumes: list[VolumeAssignment] = []
    images: dict[str, str] = {}
    config: dict[str, str] = {}
    grants: list[str] = []
    grant_proof: str = ""
    ports: list[PortWish] = []
    open: bool = False
    restart_count: int = 0
    going_back: GoingBack | None = None
    origin: Origin | None = None
    catalog: str = ""
    approval: str = ""
    update: Update | None = None
    link: AssignedLink | None = None
