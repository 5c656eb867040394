"""What a Device tells a Hive that lost some of its past (`POST /api/device/recollection`).

Asked for by `Welcome.recovering`. Heads are signed by their volumes and
checked by the Hive; whether one was ever accepted, the Device says.
"""

import msgspec

PATH = "/api/device/recollection"
MOST_HEADS = 64
"""Of each volume, the newest ones."""

MAX_BYTES = 32 * 1024 * 1024


class RememberedVolume(msgspec.Struct, frozen=True):
    """One volume: the newest accepted heads (hex, signed) that the Device knows, oldest first."""

    volume: str
    heads: list[str]


class RememberedInstallation(msgspec.Struct, frozen=True):
    """One installation. `epoch` is the highest that the Device was granted or heard of; `held`: it still holds it."""

    installation: str
    epoch: str
    held: bool
    volumes: list[RememberedVolume] = []


class Recollection(msgspec.Struct, frozen=True):
    """Everything that one Device knows of its installations."""

    installations: list[RememberedInstallation]
