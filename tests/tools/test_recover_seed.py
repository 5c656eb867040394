"""G2, the last line: a store's folder and the recovery code are enough, without Hive, Device or Mosaic."""

import sys
import time
from pathlib import Path

from blake3 import blake3

from mosaic.adapters import process
from mosaic.adapters.blobs import FolderStore
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId
from mosaic.crypto import account, envelope
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import RootRef
from mosaic.wire import store_envelope
from mosaic.wire.head import Head
from support.trees import tree_fingerprint
from support.volumes import SEED

TOOLS = Path(__file__).parents[2] / "tools"


def test_g2_a_volume_is_restored_from_a_store_and_the_recovery_code_alone(tmp_path: Path) -> None:
    live, folder = tmp_path / "live", tmp_path / "store"
    _write_something(live)
    code = _fill(folder, live)
    (tmp_path / "code").write_text(code.lower().replace("-", " "))

    _tool("recover_seed.py", "--code-file", tmp_path / "code", "--seed-file", tmp_path / "seed", folder=folder)
    _tool("rescue.py", "--seed-file", tmp_path / "seed", "--to", tmp_path / "back", folder=folder)

    assert tree_fingerprint(tmp_path / "back") == tree_fingerprint(live)


def test_another_accounts_recovery_code_is_told_from_a_mistyped_one(tmp_path: Path) -> None:
    live, folder = tmp_path / "live", tmp_path / "store"
    _write_something(live)
    _fill(folder, live)
    other = account.make("zoo zoo zoo zoo zoo wrong").recovery_code
    (tmp_path / "other").write_text(other)
    (tmp_path / "mistyped").write_text(("B" if other[0] != "B" else "C") + other[1:])

    said = [_refused(tmp_path / name, tmp_path / "seed", folder) for name in ("other", "mistyped")]

    assert "another account's" in said[0]
    assert "mistyped" in said[1]
    assert not (tmp_path / "seed").exists()


def _write_something(live: Path) -> None:
    (live / "photos").mkdir(parents=True)
    (live / "photos" / "one.jpg").write_bytes(bytes(range(256)) * 1000)
    (live / "notes.txt").write_text("remember the milk\n")
    (live / "photos" / "again.jpg").hardlink_to(live / "photos" / "one.jpg")


def _replicate(live: Path, store: FolderStore) -> RootRef:
    keys = volume_keys(SEED)
    return replicate(
        live, keys, store, previous=None, known=ChunkIndex(), nodes=NodeMap(), taken_ns=time.time_ns()
    ).root


def _fill(folder: Path, live: Path) -> str:
    """Put the signed head and the envelope, as the storage daemon does, and return the recovery code."""
    keys, store = volume_keys(SEED), FolderStore(folder)
    made = account.make("abandon ability able about above absent")
    wrapped = envelope.wrap_volume_seed(Secret(SEED), made.opened.root, volume=keys.volume)
    sealed = bytes.fromhex(
        store_envelope.write(
            volume=keys.volume, kind="data", wrapped_seed=wrapped, app="notes", app_digest="", keys=made.new.keys
        )
    )
    store.put(f"e-{blake3(sealed).hexdigest()}", sealed)
    _put_head(store, _replicate(live, store))
    return made.recovery_code


def _put_head(store: FolderStore, root: RootRef) -> None:
    keys = volume_keys(SEED)
    head = Head(
        keys.volume, Epoch(1, 1), 1, None, time.time_ns(), DeviceId("ab" * 16), None, 0, root.root, root.pack, 0
    )
    mirror_head(store, sign_head(head, SEED))


def _tool(name: str, *options: object, folder: Path) -> process.Finished:
    argv = [sys.executable, str(TOOLS / name), "--store", str(folder), *map(str, options)]
    return process.run(argv, deadline_seconds=60)


def _refused(code: Path, seed: Path, folder: Path) -> str:
    options = ["--store", str(folder), "--code-file", str(code), "--seed-file", str(seed)]
    finished = process.attempt([sys.executable, str(TOOLS / "recover_seed.py"), *options], deadline_seconds=60)
    assert finished.code == 1
    return finished.last_lines()
