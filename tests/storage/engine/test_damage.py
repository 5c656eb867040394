"""Damage is found: one flipped byte anywhere, and it costs at most the files that touch it (G9)."""

import random
from pathlib import Path

import pytest

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Corrupt
from mosaic.core.ids import DeviceId
from mosaic.storage.engine.heads import mirror_head, newest_mirrored, open_head, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.pack import HEADER_BYTES, object_name
from mosaic.storage.engine.restore import RestoreIncomplete
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.verify import verify
from mosaic.wire.head import Head
from support.stores import MemoryStore
from support.trees import tree_fingerprint
from support.volumes import KEYS, SEED, Machine

pytestmark = pytest.mark.long


def small_volume(folder: Path) -> tuple[MemoryStore, RootRef, Path]:
    source = folder / "source"
    source.mkdir()
    noise = random.Random(3)
    (source / "good").write_bytes(noise.randbytes(300))
    (source / "text").write_bytes(b"compressed " * 60)
    (source / "folder").mkdir()
    (source / "link").symlink_to("good")
    store = MemoryStore()
    return store, Machine(store).replicate(source).root, source


def test_every_flipped_byte_of_a_pack_is_found(tmp_path: Path) -> None:
    store, root, _ = small_volume(tmp_path)
    ((name, whole),) = store.objects.items()
    assert name == object_name(root.pack)
    for at in range(len(whole)):
        store.objects = {name: _flipped(whole, at)}
        assert _is_found(store, root), f"byte {at} of {len(whole)}"


def test_every_flipped_byte_is_found_by_a_machine_that_knows_the_footers(tmp_path: Path) -> None:
    store, root, _ = small_volume(tmp_path)
    known = ChunkIndex()
    known.load(store, KEYS)
    ((name, whole),) = store.objects.items()
    footer = int.from_bytes(whole[-4:], "big") + 4
    for at in range(HEADER_BYTES, len(whole) - footer):
        store.objects = {name: _flipped(whole, at)}
        try:
            found = verify(root, KEYS, store, known=known).damaged != ()
        except Corrupt:
            found = True
        assert found, f"byte {at} of {len(whole)}"


def test_a_pack_that_was_cut_or_grew_is_found(tmp_path: Path) -> None:
    store, root, _ = small_volume(tmp_path)
    ((name, whole),) = store.objects.items()
    for other in (whole[:-1], whole[1:], whole + b"\0", whole[: len(whole) // 2], b"", whole * 2):
        store.objects = {name: other}
        assert _is_found(store, root)


def test_a_pack_under_another_name_is_found(tmp_path: Path) -> None:
    store, root, _ = small_volume(tmp_path)
    ((_, whole),) = store.objects.items()
    store.objects = {object_name(bytes(16)): whole}
    assert _is_found(store, root)


def test_every_flipped_byte_of_a_head_is_found() -> None:
    signed = sign_head(_head(1), SEED)
    assert open_head(signed, KEYS.volume) == _head(1)
    for at in range(len(signed)):
        with pytest.raises(Corrupt):
            open_head(_flipped(signed, at), KEYS.volume)


def test_the_newest_head_that_holds_is_found_among_damaged_ones_which_are_logged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = MemoryStore()
    assert newest_mirrored(store, KEYS.volume) is None
    for seq in (1, 2, 10):
        mirror_head(store, sign_head(_head(seq), SEED))
    mirror_head(store, sign_head(_head(2), SEED))
    assert newest_mirrored(store, KEYS.volume) == sign_head(_head(10), SEED)
    assert capsys.readouterr().err == ""
    newest = max(store.objects)
    store.objects[newest] = _flipped(store.objects[newest], 100)
    assert newest_mirrored(store, KEYS.volume) == sign_head(_head(2), SEED)
    said = capsys.readouterr().err
    assert (said.count("head_passed_over"), newest in said) == (1, True)


def test_damaged_content_costs_only_the_files_that_have_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    noise = random.Random(4)
    for number in range(20):
        (source / f"file{number}").write_bytes(noise.randbytes(200_000))
    store = MemoryStore()
    here = Machine(store)
    root = here.replicate(source).root
    ((name, whole),) = store.objects.items()
    store.objects = {name: _flipped(whole, 2_000_000)}
    (damaged,) = here.verify(root).damaged
    with pytest.raises(RestoreIncomplete) as incomplete:
        Machine(store).restore(root, tmp_path / "target")
    assert incomplete.value.paths == (damaged,)
    before, after = tree_fingerprint(source), tree_fingerprint(tmp_path / "target")
    assert {path.decode() for path in before if before[path] != after[path]} == {damaged}


def test_a_damaged_file_is_named_by_all_its_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "file").write_bytes(random.Random(4).randbytes(20_000))
    (source / "folder" / "link").hardlink_to(source / "file")
    (source / "other").write_bytes(b"other")
    store = MemoryStore()
    root = Machine(store).replicate(source).root
    ((name, whole),) = store.objects.items()
    store.objects = {name: _flipped(whole, 10_000)}
    with pytest.raises(RestoreIncomplete) as incomplete:
        Machine(store).restore(root, tmp_path / "target")
    assert incomplete.value.paths == ("file", "folder/link")


def test_a_lost_pack_costs_only_the_files_that_need_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "first").write_bytes(b"first")
    store = MemoryStore()
    here = Machine(store)
    here.replicate(source)
    (first,) = store.objects
    (source / "second").write_bytes(b"second")
    root = here.replicate(source).root
    lost = store.objects.pop(first)
    assert here.verify(root).damaged == ("first",)
    store.objects[first] = lost
    assert here.verify(root).damaged == ()


def test_a_damaged_footer_is_reported_and_the_other_packs_are_used(tmp_path: Path) -> None:
    store, root, source = small_volume(tmp_path)
    (source / "more").write_bytes(b"more")
    here = Machine(store)
    here.newest = root
    here.replicate(source)
    name = object_name(root.pack)
    store.objects[name] = _flipped(store.objects[name], len(store.objects[name]) - 10)
    known = ChunkIndex()
    loaded = known.load(store, KEYS)
    assert loaded.damaged == (root.pack,)
    assert len(loaded.added) == 1
    # Everything is written anew where it is still known locally.
    again = Machine(store)
    anew = again.replicate(source)
    assert again.verify(anew.root).damaged == ()


def _is_found(store: MemoryStore, root: RootRef) -> bool:
    known = ChunkIndex()
    if known.load(store, KEYS).damaged:
        return True
    try:
        return verify(root, KEYS, store, known=known).damaged != ()
    except Corrupt:
        return True


def _head(seq: int) -> Head:
    return Head(
        volume=KEYS.volume,
        epoch=Epoch(1, 2),
        seq=seq,
        previous=None,
        instant_ns=1_700_000_000_000_000_000,
        device=DeviceId("ab" * 16),
        app_digest=None,
        config_revision=3,
        root=b"\1" * 32,
        root_pack=b"\2" * 16,
        flags=1,
    )


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]
