"""Finding a volume's key in a store with the recovery code alone.

For the command line: the daemon itself opens no envelope.
"""

import msgspec

from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import VolumeId
from mosaic.crypto import recovery
from mosaic.crypto.unwrap import EnvelopeDamaged, RecoveryCodeWrong, open_volume_seed, recover_wrapped_root
from mosaic.storage.engine import envelopes
from mosaic.storage.hiveless.address import StoreAddress, write_address
from mosaic.storage.hiveless.stores import Stores
from mosaic.wire.store_envelope import StoreEnvelope


class NothingOpens(NotFound):
    """The recovery code opens no volume of the store."""

    code = "recovery-code-opens-nothing"

    def __init__(self, store: str, tried: int) -> None:
        super().__init__(
            f"this recovery code opens none of the {tried} envelopes in {store}",
            hint="check the store's address; each volume without a Hive has a recovery code of its own",
        )


def find_seed(stores: Stores, address: StoreAddress, credentials: str | None, code: str) -> tuple[VolumeId, bytes]:
    """Return the volume that the code opens, and its seed.

    Raises:
        RecoveryCodeUnreadable: what was typed is no recovery code.
        NothingOpens: it is another volume's.
    """
    recovery.read(code)
    tried = 0
    place = stores.existing(address, credentials)
    for volume in stores.volumes(place):
        store = stores.open(place, volume)
        for entry in store.list(envelopes.PREFIX):
            tried += 1
            try:
                found = msgspec.json.decode(store.get(entry.name), type=StoreEnvelope)
                root = recover_wrapped_root(found.recovery_root, code, owner_key=found.owner_key)
                return volume, open_volume_seed(found.wrapped_seed, root, volume=volume).reveal()
            except (RecoveryCodeWrong, EnvelopeDamaged, Corrupt, msgspec.MsgspecError):
                continue
    raise NothingOpens(write_address(address), tried)
