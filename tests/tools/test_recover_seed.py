"""G2, the last line: a store's folder and the recovery code are enough, without Hive, Device or Mosaic."""

import contextlib
import sys
import time
from pathlib import Path

import msgspec
from blake3 import blake3

from mosaic.adapters import process
from mosaic.adapters.blobs import FolderStore
from mosaic.core.epoch import Epoch
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.crypto import account, envelope, unwrap
from mosaic.crypto.account import Made
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import RootRef
from mosaic.wire import store_envelope
from mosaic.wire.head import Head
from mosaic.wire.store_envelope import StoreEnvelope
from support.trees import tree_fingerprint
from support.volumes import SEED

WORDS = "abandon ability able about above absent"
LATER = bytes(range(1, 33))
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


def test_after_a_renewal_the_thiefs_root_key_and_the_older_code_open_no_volume_made_since(tmp_path: Path) -> None:
    live, older, newer = tmp_path / "live", tmp_path / "older", tmp_path / "newer"
    _write_something(live)
    stolen = account.make(WORDS)
    made = account.renew_root(stolen.new.keys, stolen.opened, WORDS)
    _fill(older, live, made=stolen)
    _put_envelope(FolderStore(older), SEED, made)
    _fill(newer, live, made=made, seed=LATER)
    (tmp_path / "old-code").write_text(stolen.recovery_code)
    (tmp_path / "new-code").write_text(made.recovery_code)

    # All that the thief can try: the root key on every envelope of the store, and the code that it came with.
    assert [_opens(one, stolen) for one in _envelopes(newer)] == [False]
    assert "was replaced" in _refused(tmp_path / "old-code", tmp_path / "seed", newer)
    assert sorted(_opens(one, stolen) for one in _envelopes(older)) == [False, True], "what he could read he still can"
    for folder, back in ((older, tmp_path / "back"), (newer, tmp_path / "back-too")):
        seed = tmp_path / f"{folder.name}-seed"
        _tool("recover_seed.py", "--code-file", tmp_path / "new-code", "--seed-file", seed, folder=folder)
        _tool("rescue.py", "--seed-file", seed, "--to", back, folder=folder)
        assert tree_fingerprint(back) == tree_fingerprint(live)


def _envelopes(folder: Path) -> list[StoreEnvelope]:
    store = FolderStore(folder)
    return [msgspec.json.decode(store.get(one.name), type=StoreEnvelope) for one in store.list("e-")]


def _opens(one: StoreEnvelope, made: Made) -> bool:
    """Say whether this root key opens the envelope's seed, or this code the root key that does."""
    roots = [made.opened.root]
    with contextlib.suppress(unwrap.RecoveryCodeWrong):
        roots.append(unwrap.recover_wrapped_root(one.recovery_root, made.recovery_code, owner_key=one.owner_key))
    for root in roots:
        with contextlib.suppress(unwrap.EnvelopeDamaged):
            return bool(unwrap.open_volume_seed(one.wrapped_seed, root, volume=VolumeId(one.volume)))
    return False


def _write_something(live: Path) -> None:
    (live / "photos").mkdir(parents=True)
    (live / "photos" / "one.jpg").write_bytes(bytes(range(256)) * 1000)
    (live / "notes.txt").write_text("remember the milk\n")
    (live / "photos" / "again.jpg").hardlink_to(live / "photos" / "one.jpg")


def _replicate(live: Path, store: FolderStore, seed: bytes) -> RootRef:
    keys = volume_keys(seed)
    return replicate(
        live, keys, store, previous=None, known=ChunkIndex(), nodes=NodeMap(), taken_ns=time.time_ns()
    ).root


def _fill(folder: Path, live: Path, *, made: Made | None = None, seed: bytes = SEED) -> str:
    """Put the signed head and the envelope, as the storage daemon does, and return the recovery code."""
    store = FolderStore(folder)
    made = made or account.make(WORDS)
    _put_envelope(store, seed, made)
    _put_head(store, _replicate(live, store, seed), seed)
    return made.recovery_code


def _put_envelope(store: FolderStore, seed: bytes, made: Made) -> None:
    keys = volume_keys(seed)
    wrapped = envelope.wrap_volume_seed(Secret(seed), made.opened.root, volume=keys.volume)
    sealed = bytes.fromhex(
        store_envelope.write(
            volume=keys.volume, kind="data", wrapped_seed=wrapped, app="notes", app_digest="", keys=made.new.keys
        )
    )
    store.put(f"e-{blake3(sealed).hexdigest()}", sealed)


def _put_head(store: FolderStore, root: RootRef, seed: bytes) -> None:
    keys = volume_keys(seed)
    head = Head(
        keys.volume, Epoch(1, 1), 1, None, time.time_ns(), DeviceId("ab" * 16), None, 0, root.root, root.pack, 0
    )
    mirror_head(store, sign_head(head, seed))


def _tool(name: str, *options: object, folder: Path) -> process.Finished:
    argv = [sys.executable, str(TOOLS / name), "--store", str(folder), *map(str, options)]
    return process.run(argv, deadline_seconds=60)


def _refused(code: Path, seed: Path, folder: Path) -> str:
    options = ["--store", str(folder), "--code-file", str(code), "--seed-file", str(seed)]
    finished = process.attempt([sys.executable, str(TOOLS / "recover_seed.py"), *options], deadline_seconds=60)
    assert finished.code == 1
    return finished.last_lines()
