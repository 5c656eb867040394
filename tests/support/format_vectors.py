"""What the on-disk format's frozen vectors say, made by this program.

`PYTHONPATH=tests python -m support.format_vectors > tests/vectors/storage.json`
writes them anew; after step 2 has frozen the format that is never done again,
and a new version of the format gets a file of its own: what version 2 of the
root record adds is `tests/vectors/storage-2.json`.
"""

import json
import tempfile
from pathlib import Path

from mosaic.core.collecting import Condemned
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, HeadHash
from mosaic.crypto import signing
from mosaic.crypto.hashing import blob_id, head_hash
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.heads import head_name, sign_head
from mosaic.storage.engine.pack import Kind, PackWriter, object_name
from mosaic.storage.engine.pages import Root, encode_page, encode_root
from mosaic.storage.engine.records import (
    Node,
    NodeType,
    condemned_key,
    encode_condemned,
    encode_entry,
    encode_node,
    entry_key,
    group_key,
    node_key,
)
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.volumes import KEYS, SEED, Machine

Vector = dict[str, object]

FILE = Node(NodeType.FILE, 0o640, 1000, 70, -1_500_000_000, 70_000, 2, ((b"user.a", b"\0\xff"),), bytes(range(64)))
LINK = Node(NodeType.SYMLINK, 0o777, 0, 0, 1_700_000_000_123_456_789, 5, 1, (), b"where")
BLOBS = [(b"first", Kind.CHUNK), (bytes(range(256)), Kind.PAGE), (b"", Kind.ROOT)]


def computed() -> dict[str, Vector]:
    """Return every vector that has only one right value."""
    return {
        "keys": _keys(),
        "signature": {
            "context": b"test v1\0".hex(),
            "message": b"message".hex(),
            "signature": signing.sign(SEED, b"test v1\0", b"message").hex(),
        },
        "blob_id": {"plain": b"content".hex(), "id": blob_id(KEYS.current.blob_id, b"content").hex()},
        "head": _head(),
        "pack": _pack(),
        "records": _records(),
    }


def volume() -> Vector:
    """Return a whole small volume; packs are random, so this one is only ever read."""
    store = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "text").write_bytes(b"compressed " * 20_000)
        (source / "holes").write_bytes(bytes(400_000) + b"end")
        (source / "folder").mkdir()
        (source / "folder" / "link").symlink_to("../text")
        root = Machine(store).replicate(source).root
    head = Head(KEYS.volume, Epoch(1, 1), 1, None, 10**18, DeviceId("00" * 16), None, 0, root.root, root.pack, 0)
    signed = sign_head(head, SEED)
    store.put(head_name(1, head_hash(signed)), signed)
    return {"seed": SEED.hex(), "objects": {name: data.hex() for name, data in store.objects.items()}}


def _keys() -> Vector:
    second = volume_keys(SEED, version=2).current
    return {
        "seed": SEED.hex(),
        "volume": KEYS.volume,
        "data_key_1": KEYS.current.data.hex(),
        "blob_id_key_1": KEYS.current.blob_id.hex(),
        "data_key_2": second.data.hex(),
        "blob_id_key_2": second.blob_id.hex(),
    }


def _head() -> Vector:
    head = Head(
        volume=KEYS.volume,
        epoch=Epoch(1, 7),
        seq=42,
        previous=HeadHash("11" * 32),
        instant_ns=1_700_000_000_123_456_789,
        device=DeviceId("22" * 16),
        app_digest=b"\x33" * 32,
        config_revision=5,
        root=b"\x44" * 32,
        root_pack=b"\x55" * 16,
        flags=3,
    )
    signed = sign_head(head, SEED)
    return {"signed": signed.hex(), "hash": head_hash(signed), "object": head_name(42, head_hash(signed))}


def _pack() -> Vector:
    name, salt = bytes(range(16)), bytes(range(100, 132))
    writer = PackWriter(KEYS.volume, KEYS.current.data, KEYS.current.version, name, salt)
    for plain, kind in BLOBS:
        blob = blob_id(KEYS.current.blob_id, plain)
        writer.add(blob, kind, plain, plain_length=len(plain), compressed=False)
    return {"object": object_name(name), "bytes": writer.finish().hex()}


def _records() -> Vector:
    items = [(node_key(1), encode_node(LINK)), (node_key(2), encode_node(FILE))]
    return {
        "node_key": node_key(258).hex(),
        "group_key": group_key(258, 3).hex(),
        "entry_key": entry_key(258, b"name\xff").hex(),
        "entry": encode_entry(772).hex(),
        "file": encode_node(FILE).hex(),
        "symlink": encode_node(LINK).hex(),
        "page": encode_page(0, items).hex(),
        "root": encode_root(Root(1, b"\x66" * 32, 9, 3, 2, 1_000)).hex(),
    }


def computed_2() -> dict[str, Vector]:
    """Return what version 2 of the root record adds."""
    condemned = Condemned(bytes(range(16)), 42, 1_700_000_000_123_456_789)
    return {
        "condemned": {
            "key": condemned_key(condemned.pack).hex(),
            "value": encode_condemned(condemned).hex(),
            "root": encode_root(Root(1, b"\x66" * 32, 9, 3, 2, 1_000, condemns=True)).hex(),
        }
    }


if __name__ == "__main__":
    print(json.dumps({**computed(), "volume": volume()}, indent=2))
