"""A volume's past on the command line: from a Hive whose Device is dead, and from a store alone."""

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mosaic.adapters.api_client import HiveClient
from mosaic.adapters.blobs import FolderStore
from mosaic.cli import credentials
from mosaic.core.auditing import Suspects
from mosaic.core.consistency import APP_CONSISTENT
from mosaic.core.ids import HeadHash
from mosaic.storage.engine.suspects import mark_suspects
from support.fake_device import FakeDevice
from support.ran import Ran
from support.replicated import ReplicatedVolume
from support.running_hive import PASSPHRASE, Owner, made_keys, running_hive
from support.s3_servers import CREDENTIALS, rclone
from support.trees import tree_difference
from support.waiting import eventually

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]

FIRST = datetime(2026, 11, 20, 14, 0, 7, tzinfo=UTC)
SECOND = datetime(2026, 11, 20, 15, 30, 0, tzinfo=UTC)
BETWEEN = "2026-11-20 15:00Z"
MTIME_NS = 1_700_000_000_123_456_789
ODD = b"odd\x1b[2J\xff"
SECRET_NAME = "diary-of-ada"


def ns(when: datetime) -> int:
    return int(when.timestamp()) * 10**9


@dataclass(frozen=True)
class World:
    """A Hive, its owner, and what the app's volume was at its two snapshots. The Device is gone."""

    owner: Owner
    volume: ReplicatedVolume
    heads: tuple[HeadHash, HeadHash]
    before: Path
    after: Path

    @property
    def store(self) -> Path:
        return self.owner.hive.config.state / "volumes"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    top = tmp_path_factory.mktemp("time-machine")
    with running_hive(top) as hive:
        owner = hive.set_up()
        device = FakeDevice("attic")
        device.join(owner.join_token())
        device.connect()
        owner.install(device="attic")
        eventually(lambda: owner.installation().phase == "settled")
        volume = ReplicatedVolume(device)
        before = _written(top / "before")
        first = volume.snapshot(before, instant_ns=ns(FIRST))
        after = top / "after"
        shutil.copytree(before, after, symlinks=True)
        (after / "photos" / "b.jpg").write_bytes(os.urandom(100_000))
        (after / "notes.txt").write_text("overwritten by mistake")
        second = volume.snapshot(after, instant_ns=ns(SECOND), flags=APP_CONSISTENT)
        volume.put_envelope()
        device.disconnect()
        yield World(owner, volume, (first, second), before, after)


def _written(folder: Path) -> Path:
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(os.urandom(300_000))
    (folder / SECRET_NAME).write_text("dear diary")
    (folder / "notes.txt").write_text("what it was")
    (folder / "notes.txt").chmod(0o640)
    os.utime(folder / "notes.txt", ns=(MTIME_NS, MTIME_NS))
    (folder / "way").symlink_to("notes.txt")
    Path(os.fsdecode(os.fsencode(folder) + b"/" + ODD)).write_text("x")
    return folder


@pytest.fixture(autouse=True)
def signed_in(world: World, config_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is logged in; it is none of the account's Devices, and its cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    logged_in = world.owner.logged_in
    with HiveClient(world.owner.hive.url) as client:
        key = client.identity().key
    credentials.save(
        credentials.Credentials(world.owner.hive.url, logged_in.token, logged_in.account, logged_in.name, key)
    )


@pytest.fixture
def passphrase(tmp_path: Path) -> str:
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    return str(tmp_path / "passphrase")


@pytest.fixture
def code(tmp_path: Path) -> str:
    """A file with the recovery code, which costs no Argon2id."""
    (tmp_path / "code").write_text(made_keys().recovery_code)
    return str(tmp_path / "code")


@pytest.fixture
def damaged(world: World) -> Iterator[None]:
    """The last pack of the second snapshot was changed in the Hive's folder, in the middle of its chunks."""
    folder = world.store / world.volume.id
    pack = max(folder.glob("p-*"), key=lambda path: path.stat().st_mtime_ns)
    whole = pack.read_bytes()
    pack.write_bytes(whole[:20_000] + bytes(64) + whole[20_064:])
    yield
    pack.write_bytes(whole)


def process(*words: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command line as people do."""
    return subprocess.run(
        [sys.executable, "-m", "mosaic.cli.main", *words], capture_output=True, timeout=60, check=False
    )


def test_snapshots_are_listed_the_newest_first_without_a_passphrase(world: World, mosaic: Mosaic) -> None:
    listed = mosaic("volume", "snapshots", "notes")
    assert listed.code == 0
    lines = listed.stdout.splitlines()
    assert lines[0].split() == ["WHEN", "NUMBER", "HASH", "CONSISTENCY", "DEVICE", "EPOCH", "APP", "PIN"]
    assert [line.split()[4] for line in lines[1:3]] == ["app-consistent", "crash-consistent"]
    assert [line.split()[3] for line in lines[1:3]] == [head[:12] for head in reversed(world.heads)]
    assert "attic" in lines[1]
    found = mosaic("volume", "snapshots", world.volume.id[:8], "--json").value
    assert isinstance(found, list)
    assert [one["instant_ns"] for one in found[:2]] == [ns(SECOND), ns(FIRST)]


def test_what_retention_let_go_is_listed_no_more_and_the_newest_is_before_its_mirror_is_there(
    world: World, mosaic: Mosaic
) -> None:
    folder = world.store / world.volume.id
    first, second = sorted(folder.glob("h-*"))

    def listed() -> list[str]:
        return [one["head"] for one in mosaic("volume", "snapshots", "notes", "--json").value]

    assert listed() == list(world.heads[::-1])
    for gone, left in ((first, [world.heads[1]]), (second, list(world.heads[::-1]))):
        kept = gone.read_bytes()
        gone.unlink()
        assert listed() == left
        gone.write_bytes(kept)


def test_a_pinned_snapshot_is_listed_with_its_pin_until_it_is_unpinned(world: World, mosaic: Mosaic) -> None:
    def pins() -> list[str | None]:
        return [one["pin"] for one in mosaic("volume", "snapshots", "notes", "--json").value]

    pinned = mosaic("volume", "pin", "notes", "--at", BETWEEN, "--as", "before 2.0")
    assert (pinned.code, world.heads[0][:12] in pinned.stdout) == (0, True)
    assert pins() == [None, "before 2.0"]
    assert "before 2.0" in mosaic("volume", "snapshots", "notes").stdout
    assert mosaic("volume", "pin", "notes", "--as", "\x1b[2J").code == 1
    assert mosaic("volume", "unpin", "notes").code == 2
    assert mosaic("volume", "unpin", "notes", "--at", BETWEEN).code == 0
    assert pins() == [None, None]


def test_a_snapshot_that_an_audit_put_under_suspicion_is_marked_and_whoever_reads_it_is_told(
    world: World, mosaic: Mosaic, code: str
) -> None:
    folder = world.store / world.volume.id
    store = FolderStore(folder)
    newest = mosaic("volume", "snapshots", "notes", "--json").value
    assert isinstance(newest, list)
    assert not any(one["suspect"] for one in newest)
    first = min(one["seq"] for one in newest if one["head"] in world.heads)
    mark_suspects(store, world.volume.keys, Suspects(first, first))
    forged = folder / f"a-{first + 1:020}-{first + 1:020}"
    forged.write_bytes(bytes(64))
    try:
        listed = mosaic("volume", "snapshots", "notes", "--json").value
        assert isinstance(listed, list)
        assert {one["seq"] for one in listed if one["suspect"]} == {first}
        lines = mosaic("volume", "snapshots", "notes").stdout.splitlines()
        assert [line for line in lines if "SUSPECT" in line] == [line for line in lines if f"  {first}  " in line]
        words = ["volume", "browse", "notes", "notes.txt", "--recovery-file", code]
        assert f"Snapshot {first} is SUSPECT" in mosaic(*words, "--at", str(first)).stderr
        assert "SUSPECT" not in mosaic(*words, "--at", str(first + 1)).stderr
        alone = mosaic("volume", "snapshots", "notes", "--store", str(folder), "--json").value
        assert isinstance(alone, list)
        assert {one["seq"] for one in alone if one["suspect"]} == {first}
    finally:
        forged.unlink()
        (folder / f"a-{first:020}-{first:020}").unlink()


def test_what_the_list_shows_of_a_snapshot_chooses_it(world: World, mosaic: Mosaic) -> None:
    for line, head in zip(
        mosaic("volume", "snapshots", "notes").stdout.splitlines()[1:3], world.heads[::-1], strict=True
    ):
        day, clock, number, short = line.split()[:4]
        for at in (f"{day} {clock}", number, short):
            (one,) = mosaic("volume", "snapshots", "notes", "--at", at, "--json").value
            assert one["head"] == head


def test_a_folder_is_listed_as_it_was(world: World, mosaic: Mosaic, code: str) -> None:
    now = mosaic("volume", "browse", "notes", "photos", "--recovery-file", code)
    assert [line.split()[-1] for line in now.stdout.splitlines()] == ["a.jpg", "b.jpg"]
    then = mosaic("volume", "browse", "notes", "/photos/", "--at", BETWEEN, "--recovery-file", code, "--json").value
    assert isinstance(then, list)
    assert [(one["name"], one["size"]) for one in then] == [("a.jpg", 300_000)]


def test_names_that_would_write_to_a_terminal_are_shown_escaped(mosaic: Mosaic, code: str) -> None:
    listed = mosaic("volume", "browse", "notes", "--recovery-file", code)
    assert "\x1b" not in listed.stdout
    assert "odd\\x1b[2J\\xff" in listed.stdout
    found = mosaic("volume", "browse", "notes", "--recovery-file", code, "--json").value
    assert isinstance(found, list)
    assert {one["name"]: one["name_hex"] for one in found}["odd\\x1b[2J\\xff"] == ODD.hex()


def test_a_file_is_fetched_as_it_was_and_nothing_is_written_over(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path
) -> None:
    words = ["volume", "browse", "notes", "notes.txt", "--at", BETWEEN, "--recovery-file", code, "--get", "-o"]
    assert mosaic(*words, str(tmp_path)).code == 0
    fetched = tmp_path / "notes.txt"
    assert fetched.read_text() == "what it was"
    assert (fetched.stat().st_mode & 0o7777, fetched.stat().st_mtime_ns) == (0o640, MTIME_NS)
    fetched.write_text("mine")
    again = mosaic(*words, str(fetched), "--json")
    assert (again.code, again.value["error"]["code"]) == (1, "file-in-the-way")
    assert fetched.read_text() == "mine"
    assert [path.name for path in tmp_path.glob(".mosaic-*")] == []


def test_a_folder_is_not_fetched_as_a_file_and_the_way_to_it_is_named(mosaic: Mosaic, code: str) -> None:
    ran = mosaic("volume", "browse", "notes", "photos", "--get", "--recovery-file", code)
    assert ran.code == 1
    assert "mosaic volume export" in ran.stderr


@pytest.mark.long
def test_a_file_goes_to_stdout_byte_for_byte_with_the_passphrase_of_a_file(world: World, passphrase: str) -> None:
    ran = process("volume", "browse", "notes", "photos/b.jpg", "--get", "--passphrase-file", passphrase)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == (world.after / "photos" / "b.jpg").read_bytes()


@pytest.mark.long
def test_tar_makes_of_an_exported_snapshot_what_it_was(world: World, code: str, tmp_path: Path) -> None:
    ran = process("volume", "export", "notes", "--at", BETWEEN, "--recovery-file", code, "-o", "-")
    assert (ran.returncode, ran.stderr) == (0, b"")
    (tmp_path / "all.tar").write_bytes(ran.stdout)
    target = tmp_path / "target"
    target.mkdir()
    subprocess.run(["tar", "-xpf", tmp_path / "all.tar", "-C", target], check=True, timeout=30)
    assert tree_difference(world.before, target) == []


@pytest.mark.long
@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_drawn_on_a_terminal_and_nowhere_else(
    world: World, code: str, tmp_path: Path, watched: bool
) -> None:
    words = ["volume", "export", "notes", "--recovery-file", code, "-o", str(tmp_path / "all.tar")]
    ours, theirs = os.openpty() if watched else os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "mosaic.cli.main", *words], stdout=subprocess.DEVNULL, stderr=theirs
    ) as running:
        os.close(theirs)
        assert running.wait(60) == 0
    # What was drawn is short, and waits in the terminal.
    drawn = b""
    with contextlib.suppress(OSError):
        drawn = os.read(ours, 65536)
    os.close(ours)
    assert (b"Exporting" in drawn) == watched
    assert drawn == b"" or watched


def test_a_part_is_exported_to_a_file_that_is_whole_or_not_there(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path, damaged: None
) -> None:
    words = ["volume", "export", "notes", "photos", "--recovery-file", code, "-o"]
    assert mosaic(*words, str(tmp_path / "old.tar"), "--at", BETWEEN).code == 0
    with tarfile.open(tmp_path / "old.tar") as archive:
        assert archive.getnames() == ["./photos", "./photos/a.jpg"]
    ran = mosaic(*words, str(tmp_path / "new.tar"), "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, "export-incomplete")
    assert sorted(path.name for path in tmp_path.glob("*.tar*")) == ["new.tar.incomplete", "old.tar"]


def test_a_whole_snapshot_is_verified_and_a_damaged_one_names_its_files(
    world: World, mosaic: Mosaic, code: str, damaged: None
) -> None:
    whole = mosaic("volume", "verify", "notes", "--at", BETWEEN, "--recovery-file", code)
    assert (whole.code, "whole" in whole.stdout) == (0, True)
    hit = mosaic("volume", "verify", "notes", "--recovery-file", code)
    assert hit.code == 1
    assert "photos/b.jpg" in hit.stdout
    assert "photos/a.jpg" not in hit.stdout
    every = mosaic("volume", "verify", "notes", "--all", "--recovery-file", code, "--json")
    assert every.code == 1
    found = {one["head"]: one["damaged"] for one in every.value["snapshots"]}
    assert (found[world.heads[0]], found[world.heads[1]]) == ([], ["photos/b.jpg"])


def test_a_drill_proves_a_snapshot_leaves_nothing_and_tells_the_hive(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    words = ["volume", "drill", "notes", "--recovery-file", code, "--scratch", str(tmp_path / "scratch")]
    found = mosaic(*words, "--json").value
    assert isinstance(found, dict)
    assert (found["proved"], found["head"], found["told"]) == (True, world.heads[1], True)
    assert (found["files"], found["directories"]) == (5, 2)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert "proved" in mosaic("volume", "show", "notes").stdout
    told = next(one for one in world.owner.volumes() if one.volume == world.volume.id).proved
    assert told is not None
    assert (told.drill.head, told.drill.files, told.instant_ns) == (world.heads[1], 5, ns(SECOND))


def test_a_drill_of_damaged_data_fails_and_is_told_without_any_name(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path, damaged: None
) -> None:
    (tmp_path / "scratch").mkdir()
    ran = mosaic("volume", "drill", "notes", "--recovery-file", code, "--scratch", str(tmp_path / "scratch"))
    assert ran.code == 1
    assert "photos/b.jpg" in ran.stderr
    assert list((tmp_path / "scratch").iterdir()) == []
    told = next(one for one in world.owner.volumes() if one.volume == world.volume.id).last_drill
    assert told is not None
    assert (told.drill.head, told.drill.differing) == (world.heads[1], 1)
    assert "FAILED" in mosaic("volume", "show", "notes").stdout


@pytest.mark.long
def test_a_wrong_passphrase_opens_nothing(world: World, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("abandon abandon abandon abandon abandon abandon")
    ran = process("volume", "browse", "notes", "--passphrase-file", str(tmp_path / "wrong"))
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.startswith(b"error: this is not the passphrase of this account")
    assert not (tmp_path / "cache" / "mosaic").exists()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("999", "snapshot-unknown"),
        ("1999-01-01", "snapshot-unknown"),
        ("beef", "snapshot-unknown"),
        ("soon", "at-unreadable"),
    ],
)
def test_nobody_is_asked_for_a_passphrase_for_a_snapshot_that_is_not_there(mosaic: Mosaic, at: str, said: str) -> None:
    ran = mosaic("volume", "browse", "notes", "--at", at, "--json")
    assert (ran.code, ran.value["error"]["code"]) == (1, said)


def test_a_path_that_was_not_there_yet_is_missing_in_that_snapshot_only(mosaic: Mosaic, code: str) -> None:
    words = ["volume", "browse", "notes", "photos/b.jpg", "--recovery-file", code]
    assert mosaic(*words).code == 0
    assert mosaic(*words, "--at", BETWEEN).code == 1


@pytest.mark.long
def test_g6_the_hive_is_told_no_name_and_no_secret_while_its_volumes_past_is_read(
    world: World, mosaic: Mosaic, passphrase: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent: list[str] = []
    send = httpx2.Client.send

    def recorded(client: httpx2.Client, request: httpx2.Request, **more: Any) -> httpx2.Response:
        sent.append(f"{request.method} {request.url} {request.headers} {request.read()!r}")
        return send(client, request, **more)

    monkeypatch.setattr(httpx2.Client, "send", recorded)
    ways = ["--passphrase-file", passphrase]
    assert mosaic("volume", "browse", "notes", SECRET_NAME, "--get", "-o", str(tmp_path / "got"), *ways).code == 0
    assert mosaic("volume", "drill", "notes", "--scratch", str(tmp_path), *ways).code == 0
    text = "\n".join(sent)
    assert "/objects/p-" in text
    # What is read is leased first, and given up at the end.
    leases = [one for one in sent if "/read-leases" in one]
    assert ['"done":true' in one for one in leases] == [False, True] * 2
    for secret in (SECRET_NAME, "a.jpg", "dear diary", PASSPHRASE, world.volume.local.seed.hex()):
        assert secret not in text


def test_the_index_is_kept_for_its_owner_alone_and_holds_no_name_and_no_key(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path
) -> None:
    assert mosaic("volume", "browse", "notes", "--recovery-file", code).code == 0
    folder = tmp_path / "cache" / "mosaic" / "volumes"
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = b"".join(path.read_bytes() for path in folder.iterdir())
    assert len(kept) > 1000
    for secret in (
        SECRET_NAME.encode(),
        b"a.jpg",
        b"dear diary",
        world.volume.local.seed,
        world.volume.keys.current.data,
    ):
        assert secret not in kept


def test_everything_is_read_from_a_store_and_the_recovery_code_alone(
    world: World, mosaic: Mosaic, code: str, tmp_path: Path
) -> None:
    # No Hive is known here at all.
    credentials.forget()
    (tmp_path / "scratch").mkdir()
    ways = ["--store", str(world.store), "--recovery-file", code]
    listed = mosaic("volume", "snapshots", "notes", *ways[:2], "--json").value
    assert isinstance(listed, list)
    assert [one["head"] for one in listed] == list(world.heads[::-1])
    got = tmp_path / "got"
    assert mosaic("volume", "browse", "notes", "notes.txt", "--at", BETWEEN, *ways, "--get", "-o", str(got)).code == 0
    assert got.read_text() == "what it was"
    assert mosaic("volume", "verify", "notes", "--all", *ways).code == 0
    assert mosaic("volume", "export", "notes", *ways, "-o", str(tmp_path / "all.tar")).code == 0
    drilled = mosaic("volume", "drill", "notes", *ways, "--scratch", str(tmp_path / "scratch"), "--json").value
    assert isinstance(drilled, dict)
    assert (drilled["proved"], drilled["told"]) == (True, False)


def test_one_volumes_own_folder_and_its_key_file_are_enough(world: World, mosaic: Mosaic, tmp_path: Path) -> None:
    credentials.forget()
    (tmp_path / "seed").write_text(world.volume.local.seed.hex() + "\n")
    (tmp_path / "seed").chmod(0o600)
    shutil.copytree(world.store / world.volume.id, tmp_path / world.volume.id)
    for envelope in (tmp_path / world.volume.id).glob("e-*"):
        envelope.unlink()
    ways = ["--store", str(tmp_path / world.volume.id), "--key-file", str(tmp_path / "seed")]
    assert "a.jpg" in mosaic("volume", "browse", world.volume.id[:6], "photos", *ways).stdout
    (tmp_path / "seed").write_text("ab" * 32)
    other = mosaic("volume", "browse", world.volume.id[:6], *ways, "--json")
    assert other.value["error"]["code"] == "key-file-unusable"


@pytest.mark.long
def test_a_bucket_is_read_without_a_hive(world: World, mosaic: Mosaic, code: str, tmp_path: Path) -> None:
    credentials.forget()
    shutil.copytree(world.store, tmp_path / "mosaic" / "kept", ignore=shutil.ignore_patterns(".*"))
    (tmp_path / "key").write_text(
        f"aws_access_key_id = {CREDENTIALS.access_key_id}\naws_secret_access_key = {CREDENTIALS.secret_access_key}\n"
    )
    (tmp_path / "key").chmod(0o600)
    with rclone(tmp_path) as server:
        address = f"s3://mosaic/kept?endpoint={server.location.endpoint}"
        ways = ["--store", address, "--credentials", str(tmp_path / "key"), "--recovery-file", code]
        assert "a.jpg" in mosaic("volume", "browse", "notes", "photos", *ways).stdout
        assert mosaic("volume", "verify", "notes", "--all", *ways).code == 0


def test_a_recovery_code_of_another_account_and_a_store_that_is_none_are_refused(
    world: World, mosaic: Mosaic, tmp_path: Path
) -> None:
    from mosaic.crypto import recovery

    (tmp_path / "code").write_text(recovery.write(recovery.generate()))
    ways = ["--recovery-file", str(tmp_path / "code"), "--json"]
    for words, said in (
        (["--store", str(world.store)], "recovery-code-wrong"),
        ([], "recovery-code-wrong"),
        (["--store", str(tmp_path / "nothing")], "store-unknown"),
        (["--store", str(tmp_path)], "store-unknown"),
    ):
        ran = mosaic("volume", "browse", "notes", *words, *ways)
        assert (ran.code, ran.value["error"]["code"]) == (1, said)


def test_a_head_that_the_volume_did_not_sign_is_passed_over_in_a_store_and_named(
    world: World, mosaic: Mosaic, tmp_path: Path
) -> None:
    shutil.copytree(world.store / world.volume.id, tmp_path / world.volume.id)
    newest = max((tmp_path / world.volume.id).glob("h-*"))
    forged = bytearray(newest.read_bytes())
    forged[100] ^= 1
    newest.write_bytes(bytes(forged))
    ran = mosaic("volume", "snapshots", "notes", "--store", str(tmp_path), "--json")
    assert [one["head"] for one in ran.value] == [world.heads[0]]
    assert ran.stderr.count(f"{newest.name} is damaged or not the volume's. It is passed over.") == 1
