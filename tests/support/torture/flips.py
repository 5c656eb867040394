"""Every byte of every kind of object is flipped in turn: it is noticed each time, and costs only what touches it.

A pack's bytes are tried where they are read: header and footer by whoever
indexes the store, a blob's by whoever fetches it. What damage costs is tried
by a whole restore for each blob, since one flipped bit costs all of a blob.
"""

import os
import random
import shutil
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Corrupt
from mosaic.core.ids import DeviceId
from mosaic.crypto.envelope import wrap_volume_seed
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.secret import Secret
from mosaic.crypto.unwrap import open_volume_seed
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.heads import head_name, mirror_head, newest_mirrored, open_head, sign_head
from mosaic.storage.engine.index import ChunkIndex, fetch_footer
from mosaic.storage.engine.listing import walk
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.pack import HEADER_BYTES, PREFIX, object_name, pack_of
from mosaic.storage.engine.pages import decode_root
from mosaic.storage.engine.records import decode_entry, node_of
from mosaic.storage.engine.restore import RestoreIncomplete
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.tree import Tree
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.torture.tally import Tally
from support.trees import Fingerprint, tree_fingerprint
from support.volumes import KEYS, SEED, Machine

_FACTS = 7
"""How many facts of a file's fingerprint are its own."""


def run(tally: Tally, folder: Path) -> None:
    """Flip every byte of a volume with some `tally.count` files, and restore once for each blob."""
    _Run(tally, folder).carry_out()


class _Run:
    def __init__(self, tally: Tally, folder: Path) -> None:
        self._tally = tally
        self._folder = folder
        self._luck = random.Random(tally.seed)
        self._source = folder / "source"
        self._store = MemoryStore()
        self._heads: list[bytes] = []
        self._known = ChunkIndex()

    def carry_out(self) -> None:
        root = self._make()
        self._known.load(self._store, KEYS)
        for name in sorted(self._store.objects):
            if name.startswith(PREFIX):
                self._flip_a_pack(name)
        self._flip("head", self._heads[-1], lambda signed: open_head(signed, KEYS.volume))
        self._flip_a_mirrored_head()
        self._flip_an_envelope()
        self._flip_a_mark(root)
        # The old one has learnt to doubt every pack.
        self._known = ChunkIndex()
        self._known.load(self._store, KEYS)
        self._damage_each_blob(root)

    def _make(self) -> RootRef:
        """Replicate a volume with all kinds of files twice, so that its newest state lies in two packs."""
        source, here = self._source, Machine(self._store)
        (source / "folder" / "inner").mkdir(parents=True)
        folders = [source, source / "folder", source / "folder" / "inner"]
        for number in range(self._tally.count):
            (folders[number % 3] / f"file{number:03}").write_bytes(self._luck.randbytes(20 + number % 50))
        with (source / "big").open("wb") as big:
            # Eight chunks, so that its ids lie in groups; two of them hold something, which compresses well.
            big.write(b"begin" * 13_000)
            big.seek(7 * 65_536)
            big.write(b"end")
        (source / "symlink").symlink_to("big")
        os.mkfifo(source / "folder" / "fifo")
        os.link(source / "file000", source / "folder" / "inner" / "linked")
        self._commit(here.replicate(source).root)
        for number in range(0, self._tally.count, 9):
            (folders[number % 3] / f"file{number:03}").write_bytes(self._luck.randbytes(30))
        newest = here.replicate(source).root
        self._commit(newest)
        return newest

    def _commit(self, root: RootRef) -> None:
        seq = len(self._heads) + 1
        before = head_hash(self._heads[-1]) if self._heads else None
        device = DeviceId("0a" * 16)
        head = Head(KEYS.volume, Epoch(1, 1), seq, before, seq, device, None, 1, root.root, root.pack, 0)
        self._heads.append(sign_head(head, SEED))
        mirror_head(self._store, self._heads[-1])

    def _flip_a_pack(self, name: str) -> None:
        pack, whole = pack_of(name), self._store.objects[name]
        assert pack is not None
        footer = len(whole) - 4 - int.from_bytes(whole[-4:], "big")
        with Fetcher(KEYS, self._store, self._known) as fetcher:
            blob_at = _blobs(self._known, self._store, name)
            read: Callable[[], object]
            for at in range(len(whole)):
                self._store.objects[name] = _flipped(whole, at)
                if HEADER_BYTES <= at < footer:
                    part, read = "pack_blob", partial(_read_again, fetcher, blob_at(at))
                else:
                    part = "pack_header" if at < HEADER_BYTES else "pack_footer"
                    read = partial(fetch_footer, self._store, KEYS, pack, size=len(whole))
                self._is_noticed(part, at, read)
        self._store.objects[name] = whole

    def _flip(self, what: str, whole: bytes, read: Callable[[bytes], object]) -> None:
        for at in range(len(whole)):
            self._is_noticed(what, at, partial(read, _flipped(whole, at)))

    def _flip_a_mirrored_head(self) -> None:
        """Who has no Hive passes over a damaged head, and takes the one before it."""
        name = head_name(2, head_hash(self._heads[-1]))
        for at in range(len(self._heads[-1])):
            self._store.objects[name] = _flipped(self._heads[-1], at)
            found = newest_mirrored(self._store, KEYS.volume)
            self._tally.check(found == self._heads[0], f"byte {at} of a mirrored head is flipped, and it is believed")
            self._tally.figures["flipped_mirrored_head"] += 1
        self._store.objects[name] = self._heads[-1]

    def _flip_an_envelope(self) -> None:
        root = Secret(bytes(reversed(range(32))))
        sealed = bytes.fromhex(wrap_volume_seed(Secret(SEED), root, volume=KEYS.volume))
        self._flip("envelope", sealed, lambda other: open_volume_seed(other.hex(), root, volume=KEYS.volume))

    def _flip_a_mark(self, root: RootRef) -> None:
        """A mark says something by its name alone: whatever is in it, nothing is lost."""
        pack = next(name for name in sorted(self._store.objects) if name.startswith(PREFIX))
        wanted = tree_fingerprint(self._source)
        found = pack_of(pack)
        assert found is not None
        mark_mended(self._store, found)
        (name,) = (name for name in self._store.objects if name.startswith("d-"))
        whole = self._store.objects[name]
        for at in range(len(whole)):
            self._store.objects[name] = _flipped(whole, at)
            _, restored = self._restored(root)
            self._tally.check(restored == wanted, f"byte {at} of a mark is flipped, and files are lost")
            self._tally.figures["flipped_mark"] += 1
        del self._store.objects[name]

    def _damage_each_blob(self, root: RootRef) -> None:
        """Restore with each blob damaged: what is lost is said, and touches the blob."""
        wanted, touching = tree_fingerprint(self._source), self._touching(root)
        for blob, touched in touching.items():
            found = self._known.find(blob)
            assert found is not None
            name = object_name(found.head.pack)
            whole = self._store.objects[name]
            self._store.objects[name] = _flipped(whole, found.place.offset + found.place.length // 2)
            said, restored = self._restored(root)
            self._store.objects[name] = whole
            if restored is None:
                self._tally.check(b"" in touched, f"blob {blob.hex()[:8]} is damaged, and nothing is restored")
                continue
            # The last of a file's facts are its other names: they do not make it another file.
            lost = {path for path in wanted if restored.get(path, ())[:_FACTS] != wanted[path][:_FACTS]}
            self._tally.check(restored.keys() <= wanted.keys(), "a restore makes files that there never were")
            self._tally.check(lost <= touched, f"blob {blob.hex()[:8]} costs {sorted(lost - touched)[:3]} as well")
            unsaid = {path for path in lost if not any(_is_within(path, one) for one in said)}
            self._tally.check(not unsaid, f"blob {blob.hex()[:8]} costs {sorted(unsaid)[:3]}, and nobody is told")
            self._tally.check(said, f"blob {blob.hex()[:8]} is damaged, and a restore does not say so")
            self._tally.figures["damaged_blobs"] += 1

    def _touching(self, root: RootRef) -> dict[bytes, set[bytes]]:
        """Return each blob that the state reaches, with the paths that it touches; `b""` is in those of all."""
        with Fetcher(KEYS, self._store, self._known) as fetcher:
            tree = Tree(fetcher.get, root)
            names: dict[int, list[bytes]] = defaultdict(list)
            for listed in walk(tree, _never):
                names[listed.number].append(b"/".join(listed.path))
            every = {path for paths in names.values() for path in paths}

            def beneath(number: int) -> set[bytes]:
                return {path for path in every if any(_is_within(path, name) for name in names[number])}

            found: dict[bytes, set[bytes]] = {root.root: every}

            def page(blob: bytes, level: int) -> set[bytes]:
                read = tree.page(blob, level, None)
                touched: set[bytes] = set()
                for key, value in zip(read.keys, read.values, strict=True):
                    if level:
                        touched |= page(value, level - 1)
                    elif key[:1] == b"E":
                        # Which directory has lost a name is known, and which name is not.
                        touched |= beneath(decode_entry(value))
                    else:
                        touched |= beneath(node_of(key))
                        ids = value if key[:1] == b"G" else _inline_ids(tree, node_of(key))
                        for at in range(0, len(ids), 32):
                            if any(ids[at : at + 32]):
                                found.setdefault(ids[at : at + 32], set()).update(names[node_of(key)])
                found[blob] = touched
                return touched

            page(decode_root(fetcher.get(root.root)).top, tree.root.level)
        return found

    def _restored(self, root: RootRef) -> tuple[set[bytes], Fingerprint | None]:
        """Restore. Returns the paths that are said to be damaged, and what there is; None when nothing is."""
        target = self._folder / "target"
        shutil.rmtree(target, ignore_errors=True)
        try:
            Machine(self._store).restore(root, target)
        except RestoreIncomplete as incomplete:
            return {b"" if path == "." else os.fsencode(path) for path in incomplete.paths}, tree_fingerprint(target)
        except Corrupt:
            return {b""}, None
        return set(), tree_fingerprint(target)

    def _is_noticed(self, what: str, at: int, read: Callable[[], object]) -> None:
        self._tally.figures[f"flipped_{what}"] += 1
        try:
            read()
        except Corrupt:
            return
        self._tally.fail(f"byte {at} of a {what} is flipped, and nobody notices")


def _blobs(known: ChunkIndex, store: MemoryStore, name: str) -> Callable[[int], bytes]:
    """Return what tells which blob a byte of a pack belongs to."""
    pack = pack_of(name)
    assert pack is not None
    _, places = fetch_footer(store, KEYS, pack, size=len(store.objects[name]))
    owner = {at: place.blob for place in places for at in range(place.offset, place.offset + place.length)}
    return owner.__getitem__


def _read_again(fetcher: Fetcher, blob: bytes) -> bytes:
    """Have a fetcher forget what it read and doubt no pack, and read a blob."""
    fetcher._windows.clear()
    return fetcher.get(blob)


def _inline_ids(tree: Tree, number: int) -> bytes:
    node = tree.node(number)
    assert node is not None
    return node.tail if node.type.name == "FILE" else b""


def _is_within(path: bytes, name: bytes) -> bool:
    return name in (b"", path) or path.startswith(name + b"/")


def _never(path: object, damage: Corrupt) -> None:
    raise damage


def _flipped(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :]
