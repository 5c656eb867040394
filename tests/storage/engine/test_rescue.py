"""A volume restores without Mosaic, from the store and the seed alone (G2)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.adapters.blobs import FolderStore
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.roots import RootRef
from mosaic.wire.head import Head
from support.edits import Edit, make
from support.trees import holds_xattrs, tree_difference
from support.volumes import KEYS, SEED, Machine

RESCUE = Path(__file__).parents[3] / "tools" / "rescue.py"


def commit(store: FolderStore, root: RootRef, seq: int) -> str:
    head = Head(KEYS.volume, Epoch(1, 1), seq, None, seq * 10**9, DeviceId("00" * 16), None, 1, root.root, root.pack, 0)
    signed = sign_head(head, SEED)
    mirror_head(store, signed)
    return head_hash(signed)


def rescue(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    seed = folder / "seed"
    seed.write_text(SEED.hex() + "\n")
    argv = [sys.executable, str(RESCUE), "--store", str(folder / "store"), "--seed-file", str(seed), *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    verbs = ["file", "sparse", "mkdir", "symlink", "fifo", "change"]
    names = [b"a", b"b", b"\xff\xfe", "ü".encode(), b"new\nline"]
    numbers = range(3, 400, 7)
    make(top, [Edit(verbs[n % 6], (names[n % 5], names[n % 3])[: 1 + n % 2], (names[n % 4],), n) for n in numbers])
    (top / "big").write_bytes(os.urandom(5_000_000))
    os.link(top / "big", top / "link to big")
    if holds_xattrs(top):
        os.setxattr(top / "big", "user.colour", b"blue")
    return top


def test_a_volume_restores_without_mosaic(source: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    here = Machine(store)
    first = commit(store, here.replicate(source).root, 1)
    old = tmp_path / "old"
    assert rescue(tmp_path, "--to", str(old)).returncode == 0
    assert tree_difference(source, old) == []
    (source / "big").write_bytes(b"now small")
    second = commit(store, here.replicate(source).root, 2)
    assert rescue(tmp_path, "--to", str(tmp_path / "newest")).returncode == 0
    assert tree_difference(source, tmp_path / "newest") == []
    assert rescue(tmp_path, "--to", str(tmp_path / "chosen"), "--head", first).returncode == 0
    assert tree_difference(old, tmp_path / "chosen") == []
    listed = rescue(tmp_path, "--list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [first, second]


def test_rescue_names_what_is_damaged_and_restores_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    store = FolderStore(tmp_path / "store")
    here = Machine(store)
    (source / "first").write_bytes(b"first")
    here.replicate(source)
    (pack,) = (tmp_path / "store").glob("p-*")
    (source / "second").write_bytes(b"second")
    commit(store, here.replicate(source).root, 1)
    pack.unlink()
    done = rescue(tmp_path, "--to", str(tmp_path / "target"))
    assert done.returncode == 1
    assert "target/first: blob" in done.stderr
    assert (tmp_path / "target" / "second").read_bytes() == b"second"


@pytest.mark.parametrize("is_lost", [False, True], ids=["rotten", "lost"])
def test_a_volume_that_was_mended_restores_without_mosaic(source: Path, tmp_path: Path, is_lost: bool) -> None:
    store = FolderStore(tmp_path / "store")
    here = Machine(store)
    commit(store, here.replicate(source).root, 1)
    (pack,) = (tmp_path / "store").glob("p-*")
    if is_lost:
        pack.unlink()
    else:
        # Everything but the footer, which goes on saying what lies in it.
        whole = pack.read_bytes()
        footer = int.from_bytes(whole[-4:], "big") + 4
        pack.write_bytes(whole[:45] + bytes(byte ^ 1 for byte in whole[45:-footer]) + whole[-footer:])
    (source / "big").write_bytes(b"now small")
    done = here.mend(source)
    commit(store, done.replication.root, 2)
    assert len(done.replaced) == 1
    restored = rescue(tmp_path, "--to", str(tmp_path / "target"))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert tree_difference(source, tmp_path / "target") == []


def test_rescue_names_what_the_file_system_does_not_take_and_restores_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "after").write_bytes(b"after")
    before = Path.cwd()
    os.chdir(source)
    try:
        for _ in range(18):
            Path("d" * 240).mkdir()
            os.chdir("d" * 240)
    finally:
        os.chdir(before)
    store = FolderStore(tmp_path / "store")
    commit(store, Machine(store).replicate(source).root, 1)
    done = rescue(tmp_path, "--to", str(tmp_path / "target"))
    assert done.returncode == 1
    assert "File name too long" in done.stderr
    assert (tmp_path / "target" / "after").read_bytes() == b"after"


def test_rescue_believes_no_head_that_the_volume_did_not_sign(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    store = FolderStore(tmp_path / "store")
    commit(store, Machine(store).replicate(source).root, 1)
    (head,) = (tmp_path / "store").glob("h-*")
    signed = bytearray(head.read_bytes())
    signed[100] ^= 1
    head.write_bytes(signed)
    done = rescue(tmp_path, "--to", str(tmp_path / "target"))
    assert done.returncode == 1
    assert not (tmp_path / "target").exists()


def test_the_rescue_reader_shares_no_code_with_mosaic_and_stays_short() -> None:
    lines = RESCUE.read_text().splitlines()
    assert len(lines) <= 250
    assert not any(line.lstrip().startswith(("import mosaic", "from mosaic")) for line in lines)
