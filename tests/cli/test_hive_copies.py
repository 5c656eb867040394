"""The Hive's own database survives its machine: a copy in a store and the recovery kit are enough."""

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaic.adapters.backup_files import BackupFiles, Destination
from mosaic.adapters.blobs import FolderStore
from mosaic.adapters.s3.location import S3Credentials
from mosaic.adapters.sql import roll_calls, settings
from mosaic.adapters.sql.engine import open_sqlite
from mosaic.adapters.sqlite_copy import copy_database
from mosaic.cli.hive_backup import history, pruning
from mosaic.cli.hive_backup.copying import back_up
from mosaic.cli.hive_backup.destination import credentials_of
from mosaic.cli.hive_backup.kit import Kit, write_kit
from mosaic.cli.hive_backup.recovering import recover
from mosaic.cli.hive_backup.stage import gather
from mosaic.crypto import backup_code
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.verify import verify
from support import s3_servers
from support.kill_points import Killed, KillPoints
from support.migrated import write_migrated
from support.ran import Ran

Mosaic = Callable[..., Ran]
SECRET = "a name that only the database has"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a Hive that rests."""
    folder = tmp_path / "hive"
    folder.mkdir()
    write_migrated(folder / "hive.db")
    say(folder, SECRET)
    (folder / "hive.key").write_text("ab" * 32 + "\n")
    (folder / "hive.key").chmod(0o600)
    texts = {"tls/ca.pem": "an authority", "bundles/sha256-00": "a bundle", "volumes/v/p-0": "a pack"}
    for name, text in {**texts, "importing/a/notes/00ff": "a part"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("lock", "address", "setup-code"):
        (folder / name).write_text("of this machine alone")
    return folder


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """The folder of another machine."""
    (tmp_path / "nas").mkdir()
    return tmp_path / "nas"


def say(state: Path, value: str) -> None:
    """Write something into the database."""
    database = open_sqlite(state / "hive.db")
    with contextlib.closing(database), database.write() as tx:
        settings.put(tx, "said", value)


def said(state: Path) -> str | None:
    database = open_sqlite(state / "hive.db")
    with contextlib.closing(database), database.read() as tx:
        return settings.get(tx, "said")


def seed_of(state: Path) -> Secret:
    return BackupFiles(state).seed()


def kit_of(state: Path) -> Path:
    """Write the kit, as the owner printed it."""
    path = state.parent / "kit.txt"
    if not path.exists():
        write_kit(path, Kit("ada", "https://hive", None, backup_code.write(seed_of(state)), None))
    return path


def copy_to(state: Path, nas: Path) -> None:
    BackupFiles(state).put_destination(Destination(str(nas)))
    back_up(state)


def objects(nas: Path) -> list[Path]:
    return sorted(path for path in nas.rglob("*") if path.is_file())


def test_a_hive_comes_back_from_a_store_and_its_kit_alone(
    mosaic: Mosaic, state: Path, nas: Path, tmp_path: Path
) -> None:
    ran = mosaic("hive", "backup", "set", str(nas), "--state", str(state), "--json")
    assert (ran.code, ran.value["seq"]) == (0, 1)
    kit = kit_of(state)
    shutil.rmtree(state)
    ran = mosaic("hive", "recover", "--from", str(nas), "--kit", str(kit), "--state", str(tmp_path / "new"), "--json")
    assert ran.code == 0, ran.stderr
    new = tmp_path / "new"
    assert said(new) == SECRET
    found = {str(path.relative_to(new)): path.read_text() for path in new.rglob("*") if path.name in kept()}
    assert found == {"hive.key": "ab" * 32 + "\n", "tls/ca.pem": "an authority", "bundles/sha256-00": "a bundle"}
    assert (new / "hive.key").stat().st_mode & 0o777 == 0o600
    assert not any((new / name).exists() for name in ("volumes", "importing", "lock", "address", "setup-code"))
    assert mosaic("hive", "backup", "now", "--state", str(new)).code == 0, "it goes on in the same place"


def kept() -> set[str]:
    return {"hive.key", "ca.pem", "sha256-00", "p-0", "lock", "address", "setup-code"}


def test_a_recovered_hive_knows_that_it_went_back_in_time(state: Path, nas: Path, tmp_path: Path) -> None:
    copy_to(state, nas)
    recover(tmp_path / "new", Destination(str(nas)), seed_of(state))
    database = open_sqlite(tmp_path / "new" / "hive.db")
    with contextlib.closing(database), database.read() as tx:
        assert roll_calls.is_on(tx)


def test_the_store_learns_nothing_and_the_rescue_reader_reads_it_with_the_seed(
    state: Path, nas: Path, tmp_path: Path
) -> None:
    copy_to(state, nas)
    stored = b"".join(path.read_bytes() for path in objects(nas))
    assert stored
    for secret in (SECRET, "ab" * 16, "an authority", "hive.db", seed_of(state).reveal().hex()):
        assert secret.encode() not in stored
    (tmp_path / "seed").write_text(seed_of(state).reveal().hex())
    tool = Path(__file__).parents[2] / "tools" / "rescue.py"
    (store,) = nas.iterdir()
    words = [str(tool), "--store", str(store), "--seed-file", str(tmp_path / "seed"), "--to", str(tmp_path / "out")]
    subprocess.run([sys.executable, *words], check=True, timeout=60)
    assert said(tmp_path / "out") == SECRET


def test_a_hive_that_rests_sends_nothing(state: Path, nas: Path) -> None:
    copy_to(state, nas)
    before = objects(nas)
    assert back_up(state).uploaded_bytes == 0
    assert objects(nas) == before
    say(state, "more")
    assert 0 < back_up(state).uploaded_bytes < 40_000
    assert len(objects(nas)) == len(before) + 2


class Killing:
    """Kills at every effect that a copy or a recovery has."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.points = KillPoints()
        for kind, name in (
            (FolderStore, "put"),
            (Path, "replace"),
            (Path, "rename"),
            (Path, "mkdir"),
            (Path, "unlink"),
        ):
            self._wrap(patch, kind, name)

    def _wrap(self, patch: pytest.MonkeyPatch, kind: type, name: str) -> None:
        real, points = getattr(kind, name), self.points

        def wrapped(*args: object, **more: object) -> object:
            with points.around():
                return real(*args, **more)

        patch.setattr(kind, name, wrapped)

    def everywhere(self) -> Iterator[int]:
        """Yield one point after another, until one was not met."""
        for at in range(1, 1000):
            self.points.passed, self.points.at = 0, at
            yield at
            if self.points.at is not None:
                self.points.at = None
                return

    def off(self) -> None:
        self.reached, self.points.at = self.points.at, None

    def again(self) -> None:
        self.points.at = self.reached


@pytest.mark.long
def test_a_copy_that_is_killed_anywhere_leaves_the_one_before_or_itself_and_the_next_one_works(
    state: Path, nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to(state, nas)
    seed, killing, kills = seed_of(state), Killing(monkeypatch), 0
    for at in killing.everywhere():
        killing.off()
        say(state, f"value {at}")
        killing.again()
        try:
            back_up(state)
        except Killed:
            kills += 1
        killing.off()
        recover(tmp_path / f"new{at}", Destination(str(nas)), seed)
        assert said(tmp_path / f"new{at}") in {f"value {at}", f"value {at - 1}", SECRET}
        back_up(state)
        recover(tmp_path / f"newer{at}", Destination(str(nas)), seed)
        assert said(tmp_path / f"newer{at}") == f"value {at}"
        killing.again()
    assert kills > 10


@pytest.mark.long
def test_a_recovery_that_is_killed_anywhere_leaves_nothing_or_all_and_can_be_repeated(
    state: Path, nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to(state, nas)
    seed, killing, kills = seed_of(state), Killing(monkeypatch), 0
    for at in killing.everywhere():
        new = tmp_path / f"new{at}"
        with contextlib.suppress(Killed):
            recover(new, Destination(str(nas)), seed)
            kills -= 1
        kills += 1
        killing.off()
        if not (new / "hive.db").exists():
            recover(new, Destination(str(nas)), seed)
        assert said(new) == SECRET
        assert BackupFiles(new).seed().reveal() == seed.reveal()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(f".new{at}.")] == []
        killing.again()
    assert kills > 5


def test_a_damaged_copy_is_passed_over_for_the_one_before(state: Path, nas: Path, tmp_path: Path) -> None:
    copy_to(state, nas)
    before = set(objects(nas))
    say(state, "newer")
    back_up(state)
    (pack,) = [path for path in set(objects(nas)) - before if path.name.startswith("p-")]
    pack.write_bytes(bytes([pack.read_bytes()[0]]) + b"\0" * (pack.stat().st_size - 1))
    back = recover(tmp_path / "new", Destination(str(nas)), seed_of(state))
    assert (said(tmp_path / "new"), back.passed_over) == (SECRET, 1)


def test_a_copy_of_a_database_that_is_written_all_the_time_is_one_instant_of_it(state: Path, tmp_path: Path) -> None:
    database, done = open_sqlite(state / "hive.db"), threading.Event()

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            with database.write() as tx:
                settings.put(tx, "one", str(number))
                settings.put(tx, "other", str(number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for at in range(10):
            copy_database(state / "hive.db", tmp_path / f"copy{at}.db")
            with contextlib.closing(sqlite3.connect(tmp_path / f"copy{at}.db")) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows = dict(copy.execute("SELECT name, value FROM hive WHERE name IN ('one', 'other')").fetchall())
                assert len(set(rows.values())) <= 1
    finally:
        done.set()
        writer.join()
        database.close()


def refusal(ran: Ran) -> str:
    assert ran.code == 1, ran.stdout
    return str(json.loads(ran.stdout)["error"]["code"])


def test_what_cannot_work_is_refused_and_changes_nothing(
    mosaic: Mosaic, state: Path, nas: Path, tmp_path: Path
) -> None:
    copy_to(state, nas)
    kit, new = kit_of(state), str(tmp_path / "new")
    other = tmp_path / "other.txt"
    other.write_text(f"backup code: {backup_code.write(Secret(bytes(32)))}\n")
    empty, mistyped = tmp_path / "empty.txt", tmp_path / "mistyped.txt"
    empty.write_text("recovery code: AAAA\n")
    mistyped.write_text("backup code: " + backup_code.write(Secret(bytes(32)))[:-1] + "Z\n")
    asked = ["hive", "recover", "--state", new, "--json", "--from", str(nas), "--kit"]
    assert refusal(mosaic(*asked, str(other))) == "no-hive-copy"
    assert refusal(mosaic(*asked, str(empty))) == "recovery-kit-unreadable"
    assert refusal(mosaic(*asked, str(mistyped))) == "backup-code-unreadable"
    assert not Path(new).exists()
    words = ["hive", "recover", "--json", "--kit", str(kit), "--from"]
    assert refusal(mosaic(*words, str(nas), "--state", str(state))) == "hive-is-here"
    assert refusal(mosaic(*words, str(tmp_path / "not-mounted"), "--state", new)) == "backup-place-unusable"
    assert refusal(mosaic(*words, "relative", "--state", new)) == "backup-place-unusable"
    assert refusal(mosaic("hive", "backup", "set", str(nas), "--state", new, "--json")) == "hive-database-not-here"
    assert not Path(new).exists()
    assert mosaic("hive", "recover", "--state", new).code == 2


def test_a_failed_copy_is_noted_with_what_to_do_and_the_instant_of_the_last_good_one(
    mosaic: Mosaic, state: Path, nas: Path
) -> None:
    copy_to(state, nas)
    good = BackupFiles(state).status()
    assert good is not None
    nas.rename(nas.with_name("unplugged"))
    assert refusal(mosaic("hive", "backup", "now", "--state", str(state), "--json")) == "backup-place-unusable"
    status = BackupFiles(state).status()
    assert status is not None
    assert (status.code, status.instant_ns) == ("backup-place-unusable", good.instant_ns)
    assert "mount" in status.hint


@pytest.mark.long
def test_copies_can_lie_in_a_bucket_and_its_key_is_in_no_url(mosaic: Mosaic, state: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    secret = s3_servers.CREDENTIALS.secret_access_key
    key.write_text(f"access_key_id = {s3_servers.CREDENTIALS.access_key_id}\nsecret_access_key = {secret}\n")
    with s3_servers.moto() as server:
        url = f"s3://mosaic/hive?endpoint={server.location.endpoint}"
        ran = mosaic("hive", "backup", "set", url, "--credentials", str(key), "--state", str(state), "--json")
        assert ran.code == 0, ran.stdout
        assert ran.value["same_machine"], "a server on loopback is no other machine"
        assert secret not in ran.stdout + ran.stderr + (state / "backup" / "status").read_text()
        words = ["hive", "recover", "--from", url, "--credentials", str(key), "--kit", str(kit_of(state))]
        assert mosaic(*words, "--state", str(tmp_path / "new")).code == 0
    assert said(tmp_path / "new") == SECRET


@pytest.mark.parametrize(
    ("place", "key", "code"),
    [
        ("s3://mosaic/hive?plain-http=maybe", "access_key_id = a\nsecret_access_key = b", "store-location-unusable"),
        ("s3://mosaic/hive?secret=b", "access_key_id = a\nsecret_access_key = b", "store-location-unusable"),
        ("s3://mosaic/hive", "hunter2", "store-key-unusable"),
        ("s3://mosaic/hive", None, "no-terminal"),
    ],
)
def test_a_bucket_that_cannot_be_opened_is_said_and_nothing_of_its_key_is_kept(
    mosaic: Mosaic, state: Path, tmp_path: Path, place: str, key: str | None, code: str
) -> None:
    words = []
    if key is not None:
        (tmp_path / "key.txt").write_text(key)
        words = ["--credentials", str(tmp_path / "key.txt")]
    ran = mosaic("hive", "backup", "set", place, *words, "--state", str(state), "--json")
    assert refusal(ran) == code
    assert "hunter2" not in ran.stdout + ran.stderr
    assert BackupFiles(state).destination() is None


def test_a_place_that_was_noted_before_keys_could_end_is_opened_with_its_key(state: Path) -> None:
    noted = {"url": "s3://b-1/hive?endpoint=https://s3.example.org", "access_key_id": "a", "secret_access_key": "b"}
    BackupFiles(state).make()
    (state / "backup" / "to").write_text(json.dumps(noted))
    found = BackupFiles(state).destination()
    assert found is not None
    assert credentials_of(found) == S3Credentials("a", "b")


@pytest.mark.long
def test_a_place_does_not_grow_for_ever_and_always_has_what_its_copies_need(
    state: Path, nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST_COPIES", 3)
    before, sizes = secrets.token_bytes(100_000), []
    copy_to(state, nas)
    for number in range(11):
        say(state, f"number {number}")
        # Now and then something is as it was long ago, and what is stored of that goes soon.
        (state / "bundles" / "again").write_bytes(before if number in (3, 5, 6, 10) else secrets.token_bytes(100))
        back_up(state)
        sizes.append(len(objects(nas)))
        store = FolderStore(next(nas.iterdir()))
        keys = volume_keys(seed_of(state).reveal())
        with contextlib.closing(ChunkIndex()) as known:
            known.load(store, keys)
            heads = list(history.newest_first(store, keys.volume, most=100))
            for head in heads:
                assert not verify(root_of(open_head(head, keys.volume)), keys, store, known=known).damaged
        assert len(heads) >= min(number + 1, 2)
    assert max(sizes[7:]) <= max(sizes[:7]) + 2
    recover(tmp_path / "new", Destination(str(nas)), seed_of(state))
    assert said(tmp_path / "new") == "number 10"


def test_a_catalog_that_is_removed_amid_a_copy_does_not_end_it(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, look = state / "catalogs" / "account" / "community", os.listdir
    gone.mkdir(parents=True)

    def removed_before(folder: Path) -> list[str]:
        if folder == gone:
            gone.rmdir()
        return look(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", removed_before)
        gather(state, tmp_path / "stage")
    assert not gone.exists()
    assert (tmp_path / "stage" / "bundles" / "sha256-00").read_text() == "a bundle"
