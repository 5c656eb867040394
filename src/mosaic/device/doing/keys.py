"""Making a volume's keys, and opening them again.

A key pair is in the ledger before the Hive hears of it, so that a Device that
was killed registers the same one again. The first one that is registered
counts, whoever made it. Wrapping is by the account's present root key, and
what a former one wrapped still opens.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from mosaic.core.ids import VolumeId
from mosaic.crypto import envelope, unwrap, volume_keys
from mosaic.crypto.account import root_id_of
from mosaic.crypto.secret import Secret
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.enrol import NewVolume

Kind = Literal["data", "link"]


async def make(means: Means, installation: str, kinds: Sequence[Kind]) -> list[VolumeAssignment]:
    """Make and register a key pair for each kind; return those that count.

    Raises:
        RootKeyMissing, HiveAway: not possible yet.
        Fenced: the lease was granted to somebody else meanwhile.
    """
    made = _noted(means, installation, kinds, means.root())
    hive = means.hive()
    return [await ask(hive.register_volume, installation, kind, made[kind]) for kind in kinds]


def seed_of(means: Means, volume: VolumeAssignment) -> Secret:
    """Open a volume's seed. Raises EnvelopeDamaged when it is not this volume's."""
    return open_seed(means, volume.volume, volume.wrapped_seed)


def open_seed(means: Means, volume: str, wrapped: str) -> Secret:
    """Open the seed of a volume of the account. Raises EnvelopeDamaged when it is another one's."""
    found = VolumeId(volume)
    try:
        return unwrap.open_volume_seed(wrapped, means.root(), volume=found)
    except unwrap.EnvelopeDamaged:
        for former in means.formers():
            with suppress(unwrap.EnvelopeDamaged):
                return unwrap.open_volume_seed(wrapped, former, volume=found)
        raise


def _noted(means: Means, installation: str, kinds: Sequence[Kind], root: Secret) -> dict[str, NewVolume]:
    notes = means.records.notes_of(installation)
    keys: dict[str, NewVolume] = dict(notes.keys)
    for kind in kinds:
        made = keys.get(kind)
        if made is None:
            keys[kind] = _pair(Secret(secrets.token_bytes(envelope.KEY_BYTES)), root)
        elif made.root_id != root_id_of(root):
            keys[kind] = _pair(open_seed(means, made.volume, made.wrapped_seed), root)
    return means.records.note(installation, keys=keys).keys


def _pair(seed: Secret, root: Secret) -> NewVolume:
    volume = volume_keys.volume_id(seed.reveal())
    return NewVolume(volume, envelope.wrap_volume_seed(seed, root, volume=volume), root_id_of(root))
