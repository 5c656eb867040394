"""A store that holds a volume's whole past, small: for what copies, compares and reads stores."""

from pathlib import Path

from mosaic.core.auditing import Suspects
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.storage.engine.envelopes import envelope_name
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.suspects import mark_suspects
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.volumes import KEYS, SEED, Machine

KINDS = ("p-", "h-", "e-", "d-", "a-")
"""Every kind of object that a volume has in a store."""


def with_three_states(source: Path) -> MemoryStore:
    """Return a store with three states of a new folder, their heads, an envelope and both kinds of marks."""
    source.mkdir()
    machine = Machine()
    store = machine.store
    assert isinstance(store, MemoryStore)
    for number in range(3):
        (source / f"page {number}").write_bytes(bytes([number]) * 3000)
        root = machine.replicate(source).root
        head = Head(
            KEYS.volume, Epoch(1, 1), number + 1, None, number, DeviceId("00" * 16), None, 1, root.root, root.pack, 0
        )
        mirror_head(store, sign_head(head, SEED))
    store.put(envelope_name(b"an envelope"), b"an envelope")
    mark_mended(store, b"0123456789abcdef")
    mark_suspects(store, KEYS, Suspects(1, 2))
    return store
