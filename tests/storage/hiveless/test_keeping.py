"""Without a Hive old snapshots are let go too, and nobody deletes what a later holder counts on (G1, G2)."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.core import collecting
from mosaic.core.keep_rule import write_rule
from mosaic.core.retention import Retention
from mosaic.storage import letting_go, replication
from mosaic.storage.engine.condemning import NOTHING, Condemning
from mosaic.storage.stores.marked_folder import MarkedStore
from mosaic.wire.hiveless import HivelessVolume
from support import s3_servers
from support.hiveless import Machine, started
from support.hiveless_store import ALWAYS, FEW, assert_all_read, names, pack_bytes
from support.s3_servers import CREDENTIALS
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.long]

SAVED = "saved on this machine only"
TAKEN_OVER = "taken over by another machine"
DEFAULT = write_rule(Retention())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


@contextmanager
def eager(pool: Path, name: str) -> Iterator[Machine]:
    """A machine that collects all the time, and deletes at once."""
    with place(pool, name, "no-token") as daemon:
        daemon.config = replace(daemon.config, collect=ALWAYS)
        with started(daemon) as found:
            yield found


@pytest.fixture
def here(btrfs_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(collecting, "GRACE_SECONDS", 0.0)
    with eager(btrfs_path, "here") as found:
        yield found


@pytest.fixture
def there(btrfs_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with eager(btrfs_path, "there") as found:
        yield found


def write_some(on: Machine, count: int, *, size: int = 300_000) -> bytes:
    """Write a file anew so many times, each in a snapshot of its own. Returns what it says last."""
    content = b""
    for _ in range(count):
        content = os.urandom(size)
        (on.daemon.mount("notes") / "changing").write_bytes(content)
        on.daemon.unmount("notes")
        on.save()
    return content


def wait_until_collected(on: Machine, made: HivelessVolume) -> None:
    """Wait until nothing is left to be done about the newest head."""
    volume = on.daemon.inside_volume(made.public_key)
    eventually(
        lambda: volume.record.accepted is not None and volume.collected == volume.record.accepted.head,
        seen=lambda: volume.problem,
    )


def test_snapshots_that_the_rule_lets_go_leave_the_store_and_their_space_comes_back(
    here: Machine, there: Machine, store: Path
) -> None:
    made = here.made(store=store, keep=FEW)
    here.write("first", file="stays")
    last = write_some(here, 6)
    eventually(lambda: pack_bytes(store, made) < 1_000_000, seen=lambda: pack_bytes(store, made))
    eventually(lambda: len(names(store, made, "h")) <= 10, seen=lambda: names(store, made, "h"))
    # The log itself stays whole: a writer that slept for a year must find his slot taken.
    assert len(names(store, made, "s")) == max(int(name[2:]) for name in names(store, made, "s")) >= 7
    assert_all_read(store, made)
    there.made(store=store, key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    assert (there.read(file="stays"), len(there.daemon.mount("notes").joinpath("changing").read_bytes())) == (
        "first",
        len(last),
    )
    assert (there.daemon.mount("notes") / "changing").read_bytes() == last


def test_by_default_the_last_snapshots_stay_and_the_rule_is_shown(here: Machine, store: Path) -> None:
    made = here.made(store=store)
    write_some(here, 4, size=3_000)
    assert here.status()["keep"] == DEFAULT
    seqs = {int(name[2:22]) for name in names(store, made, "h")}
    wait_until_collected(here, made)
    assert seqs <= {int(name[2:22]) for name in names(store, made, "h")}
    assert_all_read(store, made)


def test_a_volume_at_rest_comes_to_rest(here: Machine, store: Path) -> None:
    made = here.made(store=store, keep="last=1,hourly=0,daily=0,weekly=0,monthly=0")
    write_some(here, 3)
    wait_until_collected(here, made)
    assert len(names(store, made, "s")) < 12
    assert pack_bytes(store, made) < 700_000


def test_the_rule_goes_with_the_volume_to_another_machine_unless_that_says_otherwise(
    here: Machine, there: Machine, store: Path
) -> None:
    made = here.made(store=store, keep="last=3,daily=365")
    rule = DEFAULT.replace("last=40", "last=3").replace("daily=7", "daily=365")
    assert here.status()["keep"] == rule
    write_some(here, 2)
    wait_until_collected(here, made)
    there.made(store=store, key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    eventually(lambda: there.status()["keep"] == rule, seen=there.status)
    assert here.remove() == ""
    here.made(store=store, key_file=made.key_file, take_over="yes", keep="last=5")
    here.wait_for(SAVED)
    assert here.status()["keep"] == DEFAULT.replace("last=40", "last=5")


def test_a_rule_is_refused_that_says_nothing_or_differs_from_the_one_that_is_chosen(here: Machine, store: Path) -> None:
    assert "is always kept" in here.create(store=store, keep="last=0")
    assert "nothing was changed" in here.create(store=store, keep="often")
    assert here.daemon.client.hiveless().volumes == []
    made = here.made(store=store, keep=FEW)
    assert here.create(store=store, keep=FEW) == ""
    said = here.create(store=store, keep="last=9")
    assert f"keeps {FEW}; nothing was changed" in said
    assert made.key_file in said
    assert here.status()["keep"] == FEW


def test_nothing_is_let_go_while_it_cannot_be_known_what_there_is(here: Machine, store: Path, tmp_path: Path) -> None:
    made = here.made(store=store)
    write_some(here, 3)
    volume = here.daemon.inside_volume(made.public_key)
    wait_until_collected(here, made)
    seq = min(int(name[2:22]) for name in names(store, made, "h"))
    hidden = [path for path in (store / made.public_key).iterdir() if f"{seq:020d}" in path.name]
    assert len(hidden) == 2
    for path in hidden:
        path.rename(tmp_path / path.name)
    packs = names(store, made, "p")
    due_at = volume.collect_at
    write_some(here, 1)
    eventually(lambda: volume.collect_at is not None and volume.collect_at != due_at)
    eventually(
        lambda: volume.problem is not None and volume.problem.code == "snapshot-lost", seen=lambda: volume.problem
    )
    assert packs <= names(store, made, "p")
    for path in hidden:
        (tmp_path / path.name).rename(path)
    volume.wake()
    wait_until_collected(here, made)
    assert_all_read(store, made)


class Pause:
    """Stops whoever comes by first, in the middle of what he does."""

    def __init__(self) -> None:
        self.armed = threading.Event()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def pass_by(self) -> None:
        if self.armed.is_set():
            self.armed.clear()
            self.reached.set()
            assert self.go_on.wait(60)


def before_deleting(prefix: str) -> Callable[[Pause, pytest.MonkeyPatch], None]:
    def arm(pause: Pause, monkeypatch: pytest.MonkeyPatch) -> None:
        delete = MarkedStore.delete

        def paused(folder: MarkedStore, name: str) -> None:
            if name.startswith(prefix):
                pause.pass_by()
            delete(folder, name)

        monkeypatch.setattr(MarkedStore, "delete", paused)

    return arm


def before_its_head(pause: Pause, monkeypatch: pytest.MonkeyPatch) -> None:
    replicate = replication.replicate_volume

    def paused(*args: object, condemning: Condemning = NOTHING, **named: object) -> None:
        if condemning.kept is not None:
            pause.pass_by()
        replicate(*args, condemning=condemning, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(replication, "replicate_volume", paused)


WHERE = {
    "before it deletes a mirror": before_deleting("h-"),
    "before it deletes a pack": before_deleting("p-"),
    "before its head is accepted": before_its_head,
}


@pytest.mark.parametrize("where", WHERE)
def test_a_holder_that_wakes_in_a_collection_after_another_took_over_takes_nothing_from_that(
    here: Machine, there: Machine, store: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    pause = Pause()
    WHERE[where](pause, monkeypatch)
    made = here.made(store=store, keep=FEW)
    here.write("first", file="stays")
    here.save()
    pause.armed.set()
    for _ in range(20):
        (here.daemon.mount("notes") / "changing").write_bytes(os.urandom(300_000))
        here.daemon.unmount("notes")
        here.daemon.inside_volume(made.public_key).wake()
        if pause.reached.wait(0.5):
            break
    assert pause.reached.is_set(), "nobody collected"
    # The one that takes over keeps all that is not given up by then.
    there.made(store=store, key_file=made.key_file, take_over="yes", keep="last=500")
    there.wait_for(SAVED)
    for _ in range(2):
        write_some(there, 1)
        wait_until_collected(there, made)
    assert_all_read(store, made)
    kept, slots = names(store, made, "h"), names(store, made, "s")
    assert len(kept) >= 2
    pause.go_on.set()
    if here.volume().state != TAKEN_OVER:
        (here.daemon.mount("notes") / "changing").write_bytes(b"too late")
        here.daemon.inside_volume(made.public_key).wake()
    here.wait_for(TAKEN_OVER)
    write_some(there, 1)
    assert (names(store, made, "h") >= kept, names(store, made, "s") >= slots) == (True, True)
    assert_all_read(store, made)
    assert there.read(file="stays") == "first"


def test_a_mirror_that_nobody_got_to_delete_is_deleted_by_the_next_collection(
    here: Machine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        # As if the machine had died each time right after its head was accepted.
        killed.setattr(letting_go, "forget_given_up", lambda *_: None)
        killed.setattr(letting_go, "forget_mirrors", lambda listed, folder, go_on: {})
        made = here.made(store=store, keep=FEW)
        write_some(here, 6)
        wait_until_collected(here, made)
        left = len(names(store, made, "h"))
        assert left >= 6
    write_some(here, 1)
    eventually(lambda: len(names(store, made, "h")) < left - 2, seen=lambda: names(store, made, "h"))
    wait_until_collected(here, made)
    assert_all_read(store, made)


def test_where_the_rule_was_lost_with_a_damaged_tree_nothing_is_let_go(
    here: Machine, there: Machine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = here.made(store=store, keep="last=500")
    write_some(here, 3)
    wait_until_collected(here, made)
    monkeypatch.setattr(letting_go, "kept_in", lambda _: None)
    # The default of a machine that was told nothing would keep less than the owner chose.
    monkeypatch.setattr(letting_go, "Retention", lambda *_: Retention(1, 0, 0, 0, 0))
    monkeypatch.setattr(letting_go, "_WORTH", 1)
    before = names(store, made, "h")
    there.made(store=store, key_file=made.key_file, take_over="yes")
    there.wait_for(SAVED)
    write_some(there, 2)
    wait_until_collected(there, made)
    assert "what was chosen before" in there.status()["keep"]
    assert names(store, made, "h") >= before
    assert_all_read(store, made)


def test_in_a_bucket_too_what_is_let_go_gives_its_space_back(here: Machine, tmp_path: Path) -> None:
    key = tmp_path / "credentials"
    key.write_text(
        f"aws_access_key_id = {CREDENTIALS.access_key_id}\naws_secret_access_key = {CREDENTIALS.secret_access_key}\n"
    )
    key.chmod(0o600)
    with s3_servers.moto() as server:
        address = f"s3://mosaic/home?endpoint={server.location.endpoint}"
        made = here.made(store=address, credentials=key, keep=FEW)
        last = write_some(here, 5)
        assert here.daemon.inside is not None
        bucket = here.daemon.inside.backings.of(here.daemon.inside_volume(made.public_key).record).store
        eventually(lambda: sum(one.size for one in bucket.list("p-")) < 1_000_000)
        wait_until_collected(here, made)
        assert len(list(bucket.list("h-"))) < len(list(bucket.list("s-")))
        assert (here.daemon.mount("notes") / "changing").read_bytes() == last
        here.daemon.unmount("notes")
