"""Stores that follow the Hive's: folders and buckets get what it gets, and keep nobody waiting."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.storage.config import FollowPace
from mosaic.storage.serve import serving
from mosaic.wire.storage import Replica, StateRequest
from mosaic.wire.stores import Limit, Share, StoreAdd
from support.fake_hive_blobs import FakeHive
from support.s3_servers import CREDENTIALS, Server, moto, rclone
from support.storage_daemon import VOLUME, TestDaemon, place, running
from support.trees import tree_difference
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

KEY = f"aws_access_key_id = {CREDENTIALS.access_key_id}\naws_secret_access_key = {CREDENTIALS.secret_access_key}\n"
RESCUE = Path(__file__).parents[2] / "tools" / "rescue.py"


def add_folder(daemon: TestDaemon, folder: Path, name: str = "nas") -> Path:
    folder.mkdir(exist_ok=True)
    daemon.client.store_add(StoreAdd(name, f"file://{folder}"))
    return folder / VOLUME


def s3_url(server: Server) -> str:
    return f"s3://{server.location.bucket}/mosaic?endpoint={server.location.endpoint}"


def replica(daemon: TestDaemon, name: str) -> Replica:
    return next(one for one in daemon.volume().replicas if one.store == name)


def wait_until_followed(daemon: TestDaemon, *names: str) -> None:
    """Wait until these stores have the newest head, and all before it."""
    daemon.wait_until_clean()

    def has_all() -> bool:
        seen = daemon.volume()
        states = {one.store: one.state for one in seen.replicas if one.head == seen.local_head}
        return seen.clean and all(states.get(name) == "replicated" for name in names)

    eventually(has_all, seen=lambda: daemon.volume().replicas)


def begin(daemon: TestDaemon, hive: FakeHive) -> Path:
    daemon.take(hive)
    daemon.create()
    return daemon.mount()


def rot(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def listings(hive: FakeHive) -> int:
    with hive.lock:
        return sum(1 for method, path in hive.requests if method == "GET" and path.endswith("/objects"))


def rescue(store: Path, target: Path) -> None:
    """Restore a volume from a store's folder alone, by the independent reader."""
    seed = target.with_suffix(".seed")
    seed.write_text(bytes(range(32)).hex())
    words = [sys.executable, str(RESCUE), "--store", str(store), "--seed-file", str(seed), "--to", str(target)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_follows_has_all_that_a_restore_needs_by_itself(
    hive: FakeHive, here: TestDaemon, tmp_path: Path
) -> None:
    live = begin(here, hive)
    (live / "before").write_bytes(os.urandom(300_000))
    here.wait_until_clean()
    store = add_folder(here, tmp_path / "nas")
    (live / "after").write_bytes(os.urandom(300_000))
    wait_until_followed(here, "nas")
    assert any(path.name.startswith("e-") for path in store.iterdir()), "the envelope is what a recovery code opens"
    rescue(store, tmp_path / "back")
    assert tree_difference(live, tmp_path / "back" / "data") == []
    here.unmount()


def test_what_a_round_sends_goes_to_every_store_without_being_read_again(
    hive: FakeHive, here: TestDaemon, tmp_path: Path
) -> None:
    live = begin(here, hive)
    first, second = add_folder(here, tmp_path / "one", "one"), add_folder(here, tmp_path / "two", "two")
    wait_until_followed(here, "one", "two")
    listed = listings(hive)
    (live / "page").write_bytes(os.urandom(200_000))
    wait_until_followed(here, "one", "two")
    assert listings(hive) == listed, "copying from the Hive begins with a listing"
    for folder in (first, second):
        there = {path.name for path in folder.iterdir() if path.name.startswith(("p-", "h-"))}
        assert there == {name for name in hive.volume(VOLUME).objects if name.startswith(("p-", "h-"))}
    here.unmount()


def test_a_store_on_this_machine_is_never_called_a_replica(hive: FakeHive, here: TestDaemon, tmp_path: Path) -> None:
    begin(here, hive)
    add_folder(here, tmp_path / "nas")
    wait_until_followed(here, "nas")
    assert replica(here, "nas").same_machine
    assert here.client.stores().stores[0].same_machine
    here.unmount()


def test_a_store_that_is_away_is_given_later_what_it_missed(hive: FakeHive, here: TestDaemon, tmp_path: Path) -> None:
    live = begin(here, hive)
    store = add_folder(here, tmp_path / "nas")
    wait_until_followed(here, "nas")
    before = replica(here, "nas")
    (tmp_path / "nas").rename(tmp_path / "unplugged")
    # What an unmounted file system leaves behind: an empty folder, which must not be taken for the store.
    (tmp_path / "nas").mkdir()
    for number in range(3):
        (live / f"page {number}").write_bytes(os.urandom(100_000))
        here.wait_until_clean()
    eventually(lambda: replica(here, "nas").problem is not None)
    away = replica(here, "nas")
    assert (away.state, away.head, away.instant_ns) == ("pending", before.head, before.instant_ns)
    assert list((tmp_path / "nas").iterdir()) == []
    (tmp_path / "nas").rmdir()
    (tmp_path / "unplugged").rename(tmp_path / "nas")
    here.client.store_check("nas")
    wait_until_followed(here, "nas")
    rescue(store, tmp_path / "back")
    assert tree_difference(live, tmp_path / "back" / "data") == []
    here.unmount()


def test_a_store_that_hangs_delays_nothing(hive: FakeHive, here: TestDaemon, tmp_path: Path) -> None:
    with rclone(tmp_path) as server:
        live = begin(here, hive)
        here.client.store_add(StoreAdd("bucket", s3_url(server), KEY))
        wait_until_followed(here, "bucket")
        newest = replica(here, "bucket").head
        # It takes connections, and answers none.
        server.process.send_signal(signal.SIGSTOP)
        try:
            for number in range(4):
                (live / f"page {number}").write_bytes(os.urandom(12_000_000))
                assert here.wait_until_clean(seconds=20).replicas[0].state == "replicated"
            assert replica(here, "bucket").head == newest
            assert here.client.stores().stores[0].behind == 1
        finally:
            server.process.send_signal(signal.SIGCONT)
        here.client.store_check("bucket")
        wait_until_followed(here, "bucket")
        here.unmount()


def test_a_bucket_without_conditional_writes_holds_data_and_the_heads_stay_in_the_hive(
    hive: FakeHive, here: TestDaemon, tmp_path: Path
) -> None:
    with rclone(tmp_path) as server:
        live = begin(here, hive)
        shown = here.client.store_add(StoreAdd("bucket", s3_url(server), KEY))
        assert (shown.create_only, shown.compare_and_swap) == (False, False)
        (live / "page").write_bytes(os.urandom(200_000))
        wait_until_followed(here, "bucket")
        rescue(tmp_path / "mosaic" / "mosaic" / VOLUME, tmp_path / "back")
        assert tree_difference(live, tmp_path / "back" / "data") == []
        here.unmount()


def test_a_bucket_with_conditional_writes_is_known_to_have_them(hive: FakeHive, here: TestDaemon) -> None:
    with moto() as server:
        begin(here, hive)
        shown = here.client.store_add(StoreAdd("bucket", s3_url(server), KEY))
        assert (shown.create_only, shown.compare_and_swap) == (True, True)
        wait_until_followed(here, "bucket")
        here.unmount()


def test_a_name_that_is_given_to_another_place_claims_nothing_of_the_first(
    hive: FakeHive, here: TestDaemon, tmp_path: Path
) -> None:
    live = begin(here, hive)
    (live / "page").write_bytes(os.urandom(100_000))
    add_folder(here, tmp_path / "old")
    wait_until_followed(here, "nas")
    # So nothing can be copied for now.
    hive.is_down = True
    store = add_folder(here, tmp_path / "new")
    assert all(one.head is None for one in here.volume().replicas if one.store == "nas")
    hive.is_down = False
    here.client.store_check("nas")
    wait_until_followed(here, "nas")
    rescue(store, tmp_path / "back")
    assert tree_difference(live, tmp_path / "back" / "data") == []
    here.unmount()


def test_nothing_changed_asks_nothing_of_any_store(hive: FakeHive, here: TestDaemon, tmp_path: Path) -> None:
    begin(here, hive)
    store = add_folder(here, tmp_path / "nas")
    wait_until_followed(here, "nas")
    eventually(lambda: hive.is_mirrored(VOLUME))
    # Whatever asked the folder anything would find it gone, and say so.
    (tmp_path / "nas").rename(tmp_path / "unplugged")
    with hive.lock:
        asked = len(hive.requests)
    for _ in range(5):
        here.wait_until_clean()
    assert replica(here, "nas").problem is None and replica(here, "nas").state == "replicated"
    assert len(hive.requests) == asked and not store.exists()
    here.unmount()


def test_a_restore_takes_what_the_hive_lost_from_a_store_that_follows(
    btrfs_path: Path, hive: FakeHive, tmp_path: Path
) -> None:
    with running(btrfs_path, "here", "token-a") as here:
        here.connect(hive)
        live = begin(here, hive)
        add_folder(here, tmp_path / "nas")
        (live / "diary").write_bytes(os.urandom(400_000))
        wait_until_followed(here, "nas")
        here.unmount()
        here.hand_over()
        wait_until_followed_by(tmp_path / "nas" / VOLUME, hive)
        expected = (here.config.pool or Path()) / "live" / VOLUME / "data" / "diary"
        diary = expected.read_bytes()
    objects = hive.volume(VOLUME).objects
    for name in [name for name in objects if name.startswith("p-")]:
        del objects[name]
    with running(btrfs_path, "there", "token-b") as there:
        there.connect(hive)
        add_folder(there, tmp_path / "nas")
        there.take(hive, expect_data=True)
        there.wait_for_phase("ready")
        there.create()
        assert (there.mount() / "diary").read_bytes() == diary
        # And the Hive's store has it all again afterwards.
        there.wait_until_clean()
        there.unmount()
    with running(btrfs_path, "again", "token-a") as again:
        again.connect(hive)
        again.take(hive, expect_data=True)
        again.wait_for_phase("ready")


def wait_until_followed_by(store: Path, hive: FakeHive) -> None:
    heads = {name for name in hive.volume(VOLUME).objects if name.startswith("h-")}
    eventually(lambda: heads <= {path.name for path in store.iterdir()})


def test_a_daemon_that_was_killed_goes_on_giving_what_is_owed(btrfs_path: Path, hive: FakeHive, tmp_path: Path) -> None:
    with place(btrfs_path, "killed", "token-a") as daemon:
        daemon.start()
        daemon.connect(hive)
        live = begin(daemon, hive)
        store = add_folder(daemon, tmp_path / "nas")
        for number in range(2):
            (live / f"page {number}").write_bytes(os.urandom(3_000_000))
            daemon.wait_until_clean()
            daemon.kill()
            daemon.start()
            daemon.connect(hive)
        wait_until_followed(daemon, "nas")
        daemon.stop()
        rescue(store, tmp_path / "back")
        assert tree_difference(live, tmp_path / "back" / "data") == []


def test_a_store_that_is_removed_gets_nothing_more_and_keeps_what_it_has(
    hive: FakeHive, here: TestDaemon, tmp_path: Path
) -> None:
    live = begin(here, hive)
    store = add_folder(here, tmp_path / "nas")
    wait_until_followed(here, "nas")
    there = sorted(path.name for path in store.iterdir())
    here.client.store_remove("nas")
    (live / "page").write_bytes(os.urandom(100_000))
    here.wait_until_clean()
    assert sorted(path.name for path in store.iterdir()) == there
    assert [one.store for one in here.volume().replicas] == ["hive"]
    assert here.client.stores().stores == []
    here.unmount()


def test_another_device_keeps_what_it_cannot_read_and_a_restore_needs_it_alone(
    btrfs_path: Path, hive: FakeHive, tmp_path: Path
) -> None:
    folder = tmp_path / "for others"
    folder.mkdir()
    port = free_port()
    with place(btrfs_path, "cellar", "token-b") as cellar, running(btrfs_path, "here", "token-a") as here:
        here.connect(hive)
        with serving(cellar.config):
            pairing = cellar.client.share(Share("127.0.0.1", port, str(folder))).pairing
            assert pairing is not None
            live = begin(here, hive)
            shown = here.client.store_add(StoreAdd("cellar", f"mosaic://127.0.0.1:{port}", pairing))
            assert (shown.create_only, shown.same_machine) == (True, True)
            (live / "diary").write_text("dear diary" * 1000)
            wait_until_followed(here, "cellar")
        # It is switched off, and back later with the same certificate and token.
        (live / "page").write_bytes(os.urandom(200_000))
        here.wait_until_clean()
        assert replica(here, "cellar").state != "replicated"
        with serving(cellar.config):
            shared = cellar.client.stores().shared
            assert shared is not None and shared.pairing is None and shared.used_bytes > 0
            assert here.client.store_check("cellar").problem is None
            wait_until_followed(here, "cellar")
            again = cellar.client.share(Share("127.0.0.1", port, str(folder), new_pairing=True))
            assert again.pairing not in (None, pairing)
            refused = here.client.store_check("cellar").problem
            assert refused is not None and refused.code == "pairing-refused"
        assert all(b"dear diary" not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
        rescue(folder / VOLUME, tmp_path / "back")
        assert tree_difference(live, tmp_path / "back" / "data") == []
        here.unmount()


def test_secrets_are_in_no_log_and_in_no_answer(hive: FakeHive, btrfs_path: Path, tmp_path: Path) -> None:
    with rclone(tmp_path) as server, place(btrfs_path, "quiet", "token-a") as quiet:
        quiet.start()
        quiet.connect(hive)
        folder = tmp_path / "others"
        folder.mkdir()
        pairing = quiet.client.share(Share("127.0.0.1", free_port(), str(folder))).pairing
        quiet.client.store_add(StoreAdd("bucket", s3_url(server), KEY))
        begin(quiet, hive)
        wait_until_followed(quiet, "bucket")
        quiet.unmount()
        told = quiet.log.read_text() + repr(quiet.client.stores()) + repr(quiet.client.state(StateRequest()))
        assert pairing is not None
        for secret in (CREDENTIALS.secret_access_key, pairing, pairing[-43:]):
            assert secret not in told
        readable = [path for path in quiet.config.state.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
        assert not any(CREDENTIALS.secret_access_key.encode() in path.read_bytes() for path in readable)


def test_limits_and_stores_are_remembered(btrfs_path: Path, hive: FakeHive, tmp_path: Path) -> None:
    with place(btrfs_path, "kept", "token-a") as kept:
        with serving(kept.config):
            add_folder(kept, tmp_path / "nas")
            kept.client.limit(Limit(2_000_000, None))
        with serving(kept.config):
            shown = kept.client.stores()
    assert [one.name for one in shown.stores] == ["nas"]
    assert (shown.upload, shown.download) == (2_000_000, None)


def test_what_rots_in_a_folder_that_follows_is_found_by_reading_and_written_anew(
    btrfs_path: Path, hive: FakeHive, tmp_path: Path
) -> None:
    with place(btrfs_path, "here", "token-a") as here:
        here.config = replace(here.config, follow=FollowPace(compare_seconds=0, reread_seconds=0, reread_parts=2))
        with serving(here.config):
            here.connect(hive)
            live = begin(here, hive)
            store = add_folder(here, tmp_path / "nas")
            (live / "diary").write_bytes(os.urandom(300_000))
            wait_until_followed(here, "nas")
            (largest,) = sorted(store.glob("p-*"), key=lambda path: path.stat().st_size)[-1:]
            whole = largest.read_bytes()
            rot(largest)
            # Read as long as it is missing, too: it is deleted before it is written.
            eventually(lambda: largest.exists() and largest.read_bytes() == whole)
            rescue(store, tmp_path / "rescued")
            assert tree_difference(live, tmp_path / "rescued" / "data") == []
            here.unmount()
