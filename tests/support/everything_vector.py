"""A frozen store that has every kind of object and record: what each version of this program must go on reading.

`PYTHONPATH=tests python -m support.everything_vector > tests/vectors/storage-everything.json` made it. It is never
made again: packs are random, and old stores are what it stands for.
"""

import json
import os
import tempfile
import time
from pathlib import Path

from mosaic.core.consistency import APP_STOPPED
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.pack import PREFIX, pack_of
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import RootRef
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.trees import tree_fingerprint
from support.volumes import KEYS, SEED

Facts = dict[str, list[object]]


def facts(top: Path) -> Facts:
    """Return what of a tree does not depend on who restores it: type, mode, time, content, and all its names."""
    found: Facts = {}
    for path, (kind, mode, _, _, mtime_ns, _, content, *names) in tree_fingerprint(top).items():
        said = os.fsdecode(content) if isinstance(content, bytes) else content
        links = [[os.fsdecode(name) for name in group] for group in names if isinstance(group, tuple)]
        found[os.fsdecode(path)] = [kind, mode, mtime_ns, said, *links]
    # As JSON has it: no tuples.
    parsed: Facts = json.loads(json.dumps(found))
    return parsed


def made() -> dict[str, object]:
    """Return the objects of the store, and what its newest head restores to."""
    store = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        _fill(source)
        first = _replicated(source, KEYS, store, None)
        one = _commit(store, first, 1, None, 0)
        _rotten_pack(store, Path(folder))
        (source / "changed").write_bytes(b"written under the second data key\n")
        _settle(source)
        second = _replicated(source, volume_keys(SEED, version=2), store, first)
        _commit(store, second, 2, one, APP_STOPPED)
        return {
            "seed": SEED.hex(),
            "objects": {name: content.hex() for name, content in store.objects.items()},
            "restores_to": facts(source),
        }


def _fill(source: Path) -> None:
    (source / "folder" / "empty folder").mkdir(parents=True)
    (source / "empty").touch()
    (source / "small").write_bytes(b"small\n")
    (source / "changed").write_bytes(b"written under the first data key\n")
    (source / "inline").write_bytes(b"three chunks " * 12_000)
    with (source / "groups").open("wb") as file:
        file.write(b"begin" * 1000)
        file.seek(70 * 65_536)
        file.write(b"in the second group")
        file.truncate(71 * 65_536 + 3)
    (source / "folder" / "hard link").hardlink_to(source / "small")
    (source / "folder" / "symbolic link").symlink_to("../small")
    os.mkfifo(source / "folder" / "fifo")
    (source / "folder" / os.fsdecode(b"\xff\xfe\n")).write_bytes(b"any bytes are a name")
    (source / "small").chmod(0o4751)
    (source / "folder").chmod(0o1777)
    _settle(source)


def _settle(source: Path) -> None:
    for number, path in enumerate(sorted(source.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_500_000_000_123_456_789 - number * 10**17), follow_symlinks=False)
    os.utime(source, ns=(0, -1_000_000_007))


def _rotten_pack(store: MemoryStore, folder: Path) -> None:
    """A pack that was found damaged, and its mark. No head needs it."""
    (folder / "other").mkdir()
    (folder / "other" / "gone").write_bytes(b"gone")
    before = set(store.objects)
    _replicated(folder / "other", KEYS, store, None)
    (name,) = (name for name in store.objects if name.startswith(PREFIX) and name not in before)
    whole = store.objects[name]
    store.objects[name] = whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]
    pack = pack_of(name)
    assert pack is not None
    mark_mended(store, pack)


def _replicated(source: Path, keys: VolumeKeys, store: MemoryStore, previous: RootRef | None) -> RootRef:
    known = ChunkIndex()
    known.load(store, keys)
    nodes = NodeMap()
    return replicate(source, keys, store, previous=previous, known=known, nodes=nodes, taken_ns=time.time_ns()).root


def _commit(store: MemoryStore, root: RootRef, seq: int, previous: HeadHash | None, flags: int) -> HeadHash:
    device, digest = DeviceId("0a" * 16), b"\x33" * 32
    head = Head(KEYS.volume, Epoch(1, seq), seq, previous, 10**18 + seq, device, digest, 1, root.root, root.pack, flags)
    signed = sign_head(head, SEED)
    mirror_head(store, signed)
    return head_hash(signed)


if __name__ == "__main__":
    print(json.dumps(made(), indent=2))
