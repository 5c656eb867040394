"""The format does not change by accident: frozen bytes are written and read as ever."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.core.collecting import Condemned
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.heads import newest_mirrored, open_head, root_of
from mosaic.storage.engine.index import ChunkIndex, fetch_footer
from mosaic.storage.engine.pack import pack_of
from mosaic.storage.engine.pages import decode_root
from mosaic.storage.engine.records import decode_condemned, decode_node
from support.everything_vector import facts
from support.format_vectors import BLOBS, FILE, LINK, computed, computed_2
from support.stores import MemoryStore
from support.trees import tree_fingerprint
from support.volumes import KEYS, Machine

ROOT = Path(__file__).parents[3]
FROZEN_2 = json.loads((ROOT / "tests" / "vectors" / "storage-2.json").read_text())
FROZEN = json.loads((ROOT / "tests" / "vectors" / "storage.json").read_text())


@pytest.mark.parametrize("name", ["keys", "signature", "blob_id", "head", "pack", "records"])
def test_this_program_writes_the_frozen_bytes(name: str) -> None:
    assert computed()[name] == FROZEN[name]


def test_this_program_writes_and_reads_the_frozen_list_of_condemned_packs() -> None:
    frozen = FROZEN_2["condemned"]
    assert computed_2()["condemned"] == frozen
    read = decode_condemned(bytes.fromhex(frozen["key"]), bytes.fromhex(frozen["value"]))
    assert read == Condemned(bytes(range(16)), 42, 1_700_000_000_123_456_789)
    assert decode_root(bytes.fromhex(frozen["root"])).condemns


def test_this_program_reads_the_frozen_records() -> None:
    assert decode_node(bytes.fromhex(FROZEN["records"]["file"])) == FILE
    assert decode_node(bytes.fromhex(FROZEN["records"]["symlink"])) == LINK


def test_this_program_reads_the_frozen_pack() -> None:
    store = MemoryStore()
    name, whole = FROZEN["pack"]["object"], bytes.fromhex(FROZEN["pack"]["bytes"])
    store.put(name, whole)
    pack = pack_of(name)
    assert pack is not None
    _, places = fetch_footer(store, KEYS, pack, size=len(whole))
    known = ChunkIndex()
    known.load(store, KEYS)
    with Fetcher(KEYS, store, known) as fetcher:
        assert [fetcher.get(place.blob) for place in places] == [plain for plain, _ in BLOBS]


def test_this_program_and_the_rescue_reader_restore_the_frozen_volume(tmp_path: Path) -> None:
    store = MemoryStore()
    (tmp_path / "store").mkdir()
    for name, content in FROZEN["volume"]["objects"].items():
        store.put(name, bytes.fromhex(content))
        (tmp_path / "store" / name).write_bytes(bytes.fromhex(content))
    newest = newest_mirrored(store, KEYS.volume)
    assert newest is not None
    ours, rescued = tmp_path / "ours", tmp_path / "rescued"
    Machine(store).restore(root_of(open_head(newest, KEYS.volume)), ours)
    (tmp_path / "seed").write_text(FROZEN["volume"]["seed"])
    rescue = [sys.executable, str(ROOT / "tools" / "rescue.py"), "--seed-file", str(tmp_path / "seed")]
    subprocess.run([*rescue, "--store", str(tmp_path / "store"), "--to", str(rescued)], check=True, timeout=60)
    assert (ours / "text").read_bytes() == b"compressed " * 20_000
    assert (ours / "holes").read_bytes() == bytes(400_000) + b"end"
    assert (ours / "folder" / "link").readlink() == Path("../text")
    assert tree_fingerprint(ours) == tree_fingerprint(rescued)


def test_everything_that_the_format_has_is_restored_from_a_frozen_store_by_both_readers(tmp_path: Path) -> None:
    frozen = json.loads((ROOT / "tests" / "vectors" / "storage-everything.json").read_text())
    store = MemoryStore()
    (tmp_path / "store").mkdir()
    for name, content in frozen["objects"].items():
        store.put(name, bytes.fromhex(content))
        (tmp_path / "store" / name).write_bytes(bytes.fromhex(content))
    newest = newest_mirrored(store, KEYS.volume)
    assert newest is not None
    ours, rescued = tmp_path / "ours", tmp_path / "rescued"
    Machine(store).restore(root_of(open_head(newest, KEYS.volume)), ours)
    (tmp_path / "seed").write_text(frozen["seed"])
    rescue = [sys.executable, str(ROOT / "tools" / "rescue.py"), "--seed-file", str(tmp_path / "seed")]
    subprocess.run([*rescue, "--store", str(tmp_path / "store"), "--to", str(rescued)], check=True, timeout=60)
    assert facts(ours) == frozen["restores_to"]
    assert facts(rescued) == frozen["restores_to"]


def test_the_frozen_store_has_every_kind_of_object_and_two_data_keys() -> None:
    frozen = json.loads((ROOT / "tests" / "vectors" / "storage-everything.json").read_text())
    packs = [bytes.fromhex(content) for name, content in frozen["objects"].items() if name.startswith("p-")]
    assert {name[:2] for name in frozen["objects"]} == {"p-", "h-", "d-"}
    assert {int.from_bytes(pack[9:13], "big") for pack in packs} == {1, 2}
    assert {stat.S_IFMT(said[0]) for said in frozen["restores_to"].values()} == {
        stat.S_IFREG,
        stat.S_IFDIR,
        stat.S_IFLNK,
        stat.S_IFIFO,
    }
