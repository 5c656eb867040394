"""Reading stored packs again, a few at a time, so that rot is found while the data is still here."""

from dataclasses import dataclass

from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import pack as packs
from mosaic.storage.engine.damage import PackDamaged
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.store import Store


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What one scrub read. `damaged` are packs (16-byte names) that the index counts no more as having their blobs."""

    packs: int
    read_bytes: int
    damaged: tuple[bytes, ...]


def scrub(
    keys: VolumeKeys, store: Store, known: ChunkIndex, *, before_s: float, now_s: float, budget_bytes: int
) -> Scrubbed:
    """Read and check the packs that nobody looked at since `before_s`, the oldest first, up to the budget.

    Instants are Unix time. At least one pack is read when one is due. May be
    killed at any point. Raises Unavailable: the store did not answer.
    """
    count, read, damaged = 0, 0, list[bytes]()
    while read < budget_bytes and (pack := known.least_checked(min(before_s, now_s))) is not None:
        count += 1
        try:
            whole = store.get(packs.object_name(pack))
            read += len(whole)
            check_pack(pack, whole, keys)
        except (Corrupt, NotFound):
            known.doubt(pack)
            damaged.append(pack)
        else:
            known.checked(pack, now_s)
    return Scrubbed(count, read, tuple(damaged))


def check_pack(pack: bytes, whole: bytes, keys: VolumeKeys) -> None:
    """Check every byte of a pack. Raises PackDamaged, BlobDamaged."""
    if len(whole) < packs.HEADER_BYTES + packs.LENGTH_BYTES:
        raise PackDamaged(pack, "it is too short")
    header = whole[: packs.HEADER_BYTES]
    head = packs.read_head(pack, header)
    length = packs.footer_length(pack, whole[-packs.LENGTH_BYTES :], size=len(whole))
    end = len(whole) - packs.LENGTH_BYTES
    cipher, id_key = packs.cipher_of(head, keys), keys.at(head.key_version).blob_id
    content = memoryview(whole)
    for place in packs.read_footer(head, header, whole[end - length : end], size=len(whole), keys=keys):
        packs.open_blob(cipher, place, content[place.offset : place.offset + place.length], id_key=id_key)
