"""What the search for changes overlooked is found the same night, said, and mended; nothing waits for it."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from mosaic.adapters.storage_client import StorageRefused
from mosaic.cli.main import run
from mosaic.core.auditing import is_due
from mosaic.storage import auditing, decide_audit, replication
from mosaic.storage.config import AuditPace
from mosaic.storage.differing import hints
from mosaic.storage.engine import audit as engine
from mosaic.storage.engine.changes import Hints
from mosaic.storage.engine.nodes import CLOCK_STEP_NS
from mosaic.storage.engine.roots import Skipped
from mosaic.storage.engine.suspects import suspects_in
from mosaic.storage.pool import Pool, PoolNearlyFull
from mosaic.storage.records import Audits
from mosaic.storage.serve import serving
from mosaic.wire.storage import Audited, AuditRequest, AuditState
from support.fake_hive_blobs import FakeHive
from support.hiveless import machine
from support.manual_clock import ManualClock
from support.storage_daemon import VOLUME, TestDaemon, place, running
from support.stores import MemoryStore
from support.waiting import eventually

pytestmark = pytest.mark.btrfs
BOTH = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])


@contextmanager
def audited_daemon(pool: Path, clock: ManualClock, pace: AuditPace | None = None) -> Iterator[TestDaemon]:
    """Yield a daemon that believes this clock."""
    # On btrfs a round is made when one is asked for. Folders have to be looked at until their times have settled.
    interval_seconds = 3600 if btrfs.is_btrfs(pool) else 0.2
    with place(pool, "audited", "token-a", interval_seconds=interval_seconds) as daemon:
        if pace is not None:
            daemon.config = replace(daemon.config, audit=pace)
        with serving(daemon.config, clock=clock) as inside:
            daemon.inside = inside
            yield daemon


def asleep(clock: ManualClock) -> None:
    """Go on to the volume's moment of the next night."""
    since = clock.wall_ns()
    for _ in range(24 * 12):
        clock.advance(300)
        # The machine's zone does not matter: in any of them a night comes within a day.
        if is_due(VOLUME, since_ns=since, now_ns=clock.wall_ns(), offset_seconds=_offset(clock)):
            return
    raise AssertionError("no night came")


def _offset(clock: ManualClock) -> int:
    return time.localtime(clock.wall_ns() // 10**9).tm_gmtoff


def state(daemon: TestDaemon) -> AuditState:
    return daemon.client.audit(AuditRequest(VOLUME))


def audit_now(daemon: TestDaemon) -> AuditState:
    """Ask for an audit and wait for its end."""
    daemon.client.audit(AuditRequest(VOLUME, begin=True))
    eventually(lambda: not state(daemon).asked, seen=lambda: state(daemon))
    return state(daemon)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[Audited]:
    """Every audit that came to its end, in the order in which they did."""
    seen: list[Audited] = []

    def concluded(audits: Audits, found: Audited, *, newest: int) -> Audits:
        seen.append(found)
        return decide_audit.concluded(audits, found, newest=newest)

    monkeypatch.setattr(auditing, "concluded", concluded)
    return seen


def marked(hive: FakeHive) -> set[int]:
    """Return the numbers of the snapshots that the store calls suspect."""
    store = MemoryStore()
    store.objects = dict(hive.volume(VOLUME).objects)
    return {seq for one in suspects_in(store, VOLUME) for seq in range(one.first, one.last + 1)}


@pytest.fixture
def overlook(pool_kind: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[TestDaemon, str], None]:
    """Have a change of a file overlooked: by the kernel's hints, or by a time that did not move."""

    def on_btrfs(daemon: TestDaemon, name: str) -> None:
        def forgetful(snapshot: Path, before: Path | None) -> Hints | None:
            told = hints(snapshot, before)
            if told is not None and told.changes is not None and (data := told.changes.children.get(b"data")):
                data.children.pop(name.encode(), None)
            return told

        monkeypatch.setattr(replication, "hints", forgetful)
        change(daemon, name)
        (live(daemon) / "other").write_bytes(os.urandom(5000))
        daemon.wait_until_clean()

    def on_folders(daemon: TestDaemon, name: str) -> None:
        (cache,) = (daemon.config.state / "cache").glob("*.nodes")
        with daemon.inside_volume(VOLUME).cutting, sqlite3.connect(cache, timeout=60) as rows:
            change(daemon, name)
            now = (live(daemon) / name).stat()
            rows.execute(
                "UPDATE nodes SET mtime_ns = ?, ctime_ns = ? WHERE inode = ?",
                (now.st_mtime_ns, now.st_ctime_ns, now.st_ino),
            )
            # As if it had been settled long before the snapshot, which is not believed of a file that just changed.
            rows.execute("UPDATE state SET taken_ns = ?", (now.st_ctime_ns + 10 * 10**9,))
            rows.commit()
            eventually(lambda: time.time_ns() > now.st_ctime_ns + 2 * CLOCK_STEP_NS)
            (live(daemon) / "other").write_bytes(os.urandom(5000))
        rows.close()
        daemon.wait_until_clean()

    return on_btrfs if pool_kind == "btrfs" else on_folders


def live(daemon: TestDaemon) -> Path:
    return daemon.pool / "live" / VOLUME / "data"


def code_of(daemon: TestDaemon) -> str | None:
    problem = daemon.volume().problem
    return problem.code if problem is not None else None


def change(daemon: TestDaemon, name: str) -> None:
    """Change one byte, keeping the size and the time that a program can set."""
    path = live(daemon) / name
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(5)
        file.write(b"\x01")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def filled(daemon: TestDaemon, hive: FakeHive) -> None:
    daemon.connect(hive)
    daemon.take(hive)
    daemon.create()
    folder = daemon.mount()
    (folder / "diary").write_bytes(bytes(range(256)) * 2000)
    (folder / "other").write_bytes(os.urandom(5000))
    daemon.unmount()
    daemon.wait_until_clean()


@BOTH
def test_what_was_overlooked_is_found_the_same_night_marked_mended_and_confirmed(
    pool_path: Path, hive: FakeHive, overlook: Callable[[TestDaemon, str], None], ended: list[Audited]
) -> None:
    clock = ManualClock()
    with audited_daemon(pool_path, clock) as here:
        filled(here, hive)
        assert audit_now(here).last == ended[0]
        assert ended[0].difference_count == 0
        overlook(here, "diary")
        wanted = (live(here) / "diary").read_bytes()
        asleep(clock)
        here.inside_volume(VOLUME).wake()
        eventually(lambda: len(ended) == 3, seen=lambda: (ended, state(here), here.volume()))
        assert [one.path for one in ended[1].differing] == ["data/diary"]
        assert (ended[2].seq, ended[2].difference_count) == (ended[1].seq + 1, 0)
        assert here.volume().problem is None
        assert marked(hive) == set(range(ended[0].seq + 1, ended[2].seq))
        here.hand_over()
    with running(pool_path, "there", "token-b") as there:
        there.connect(hive)
        there.take(hive, expect_data=True)
        there.wait_for_phase("ready")
        assert (live(there) / "diary").read_bytes() == wanted


@BOTH
def test_until_it_is_mended_the_volume_says_what_is_wrong_and_what_to_type(
    pool_path: Path, hive: FakeHive, overlook: Callable[[TestDaemon, str], None], ended: list[Audited]
) -> None:
    with audited_daemon(pool_path, ManualClock()) as here:
        filled(here, hive)
        overlook(here, "diary")
        hive.may_commit.clear()
        try:
            here.client.audit(AuditRequest(VOLUME, begin=True))
            eventually(lambda: here.volume().problem is not None, seen=lambda: here.volume())
            seen, told = here.volume(), state(here)
        finally:
            hive.may_commit.set()
        assert seen.problem is not None
        assert (seen.phase, seen.problem.code) == ("ready", "snapshots-suspect")
        assert "data/diary: its bytes from 0 on are others" in seen.problem.message
        assert "mosaic volume snapshots" in seen.problem.hint
        assert told.rereads
        eventually(lambda: len(ended) == 2 and here.volume().problem is None, seen=lambda: (ended, here.volume()))
        # Nothing was ever trusted before.
        assert marked(hive) == set(range(1, ended[1].seq))


@BOTH
def test_an_audit_of_a_restored_and_changed_volume_finds_nothing_and_writes_nothing(
    pool_path: Path, hive: FakeHive, here: TestDaemon, ended: list[Audited]
) -> None:
    filled(here, hive)
    here.hand_over()
    with audited_daemon(pool_path, ManualClock()) as there:
        there.token = "token-b"
        there.connect(hive)
        there.take(hive, expect_data=True)
        there.wait_for_phase("ready")
        # On btrfs nothing was cut yet, and that is done for it.
        audit_now(there)
        eventually(lambda: len(ended) == 1, seen=lambda: state(there))
        (live(there) / "other").rename(live(there) / "renamed")
        os.link(live(there) / "renamed", live(there) / "again")
        change(there, "diary")
        there.wait_until_clean()
        eventually(lambda: hive.is_mirrored(VOLUME))
        puts = hive.count("PUT", ""), hive.count("POST", "heads")
        audit_now(there)
        eventually(lambda: len(ended) == 2, seen=lambda: state(there))
        assert [one.difference_count for one in ended] == [0, 0]
        assert (hive.count("PUT", ""), hive.count("POST", "heads")) == puts
        assert marked(hive) == set()


def test_a_snapshot_that_nothing_followed_is_not_read_again_the_next_night(
    pool_path: Path, hive: FakeHive, ended: list[Audited]
) -> None:
    clock = ManualClock()
    with audited_daemon(pool_path, clock) as here:
        filled(here, hive)
        asleep(clock)
        here.wait_until_clean()
        eventually(lambda: len(ended) == 1, seen=lambda: state(here))
        asleep(clock)
        here.wait_until_clean()
        assert state(here).under_way is False
        (live(here) / "other").write_bytes(b"news")
        here.wait_until_clean()
        eventually(lambda: len(ended) == 2, seen=lambda: state(here))
        assert [one.difference_count for one in ended] == [0, 0]


def test_snapshots_are_replicated_while_an_audit_rests_and_what_it_reads_stays_until_its_end(
    pool_path: Path, hive: FakeHive, ended: list[Audited], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "_WORK_SECONDS", 0.0)
    clock = ManualClock()
    with audited_daemon(pool_path, clock, AuditPace(rest=1e9)) as here:
        filled(here, hive)
        folder = here.pool / "snap" / VOLUME
        asleep(clock)
        here.wait_until_clean()
        eventually(lambda: state(here).under_way, seen=lambda: state(here))
        before = len(hive.volume(VOLUME).heads)
        read = folder / str(here.inside_volume(VOLUME).audited_snapshot)
        for number in range(3):
            (live(here) / "other").write_bytes(b"%d" % number)
            here.wait_until_clean()
        assert len(hive.volume(VOLUME).heads) >= before + 3
        eventually(lambda: len(list(folder.iterdir())) == 2, seen=lambda: list(folder.iterdir()))
        assert read in set(folder.iterdir())
        assert ended == []
        # Another Device takes over, and nothing waits for the audit.
        here.hand_over()
        eventually(lambda: not state(here).under_way, seen=lambda: state(here))
        assert ended == []


def test_a_pool_that_runs_out_of_room_ends_the_audit_first(
    pool_path: Path, hive: FakeHive, ended: list[Audited], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "_WORK_SECONDS", 0.0)
    clock = ManualClock()
    with audited_daemon(pool_path, clock, AuditPace(rest=1e9)) as here:
        filled(here, hive)
        asleep(clock)
        here.inside_volume(VOLUME).wake()
        eventually(lambda: state(here).under_way, seen=lambda: state(here))

        def full(*_: object, **__: object) -> None:
            raise PoolNearlyFull(1, 2)

        monkeypatch.setattr(Pool, "check_room", full)
        (live(here) / "other").write_bytes(b"news")
        here.inside_volume(VOLUME).wake()
        eventually(lambda: not state(here).under_way, seen=lambda: state(here))
        eventually(lambda: list((here.pool / "snap" / VOLUME).iterdir()) == [], seen=here.volume)
        eventually(lambda: code_of(here) == PoolNearlyFull.code, seen=here.volume)
        assert ended == []


def test_what_is_put_in_the_place_of_what_is_audited_is_not_judged_by_it(
    pool_path: Path, hive: FakeHive, ended: list[Audited], monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(auditing.Auditor, "_go_on", lambda *_: may_end.wait(60))
    with audited_daemon(pool_path, ManualClock()) as here:
        filled(here, hive)
        earlier = here.volume().local_head
        (live(here) / "other").write_bytes(b"news")
        here.wait_until_clean()
        here.client.audit(AuditRequest(VOLUME, begin=True))
        eventually(lambda: state(here).under_way, seen=lambda: state(here))
        here.go_back(earlier)
        here.wait_until_back()
        may_end.set()
        eventually(lambda: not state(here).under_way, seen=lambda: state(here))
        assert ended == []
        assert audit_now(here).answer is not None
        assert ended[0].difference_count == 0


def test_a_result_outlives_a_kill_and_a_killed_audit_begins_anew(pool_path: Path, hive: FakeHive) -> None:
    with place(pool_path, "killed", "token-a", interval_seconds=3600) as here:
        here.start()
        filled(here, hive)
        # One that a snapshot overtakes ends early and is asked for again.
        eventually(lambda: audit_now(here).last is not None, seen=lambda: state(here))
        first = state(here).last
        assert first is not None
        (live(here) / "other").write_bytes(b"news")
        here.wait_until_clean()
        hive.may_read.clear()
        try:
            here.client.audit(AuditRequest(VOLUME, begin=True))
            eventually(lambda: state(here).under_way, seen=lambda: state(here))
            here.kill()
        finally:
            hive.may_read.set()
        here.start()
        here.connect(hive)
        assert state(here).last == first
        again = audit_now(here).last
        assert again is not None
        assert (again.seq, again.difference_count) == (first.seq + 1, 0)
        here.stop()


def test_a_volume_that_is_not_in_use_is_not_audited(pool_path: Path, hive: FakeHive) -> None:
    with audited_daemon(pool_path, ManualClock()) as here:
        filled(here, hive)
        here.hand_over()
        with pytest.raises(StorageRefused, match="only a volume in use is audited"):
            here.client.audit(AuditRequest(VOLUME, begin=True))


def test_whoever_types_it_sees_what_was_compared_or_which_paths_differ(
    pool_path: Path,
    hive: FakeHive,
    overlook: Callable[[TestDaemon, str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with audited_daemon(pool_path, ManualClock()) as here:
        filled(here, hive)

        def typed(*words: str) -> tuple[int, str]:
            code = run(["volume", "audit", VOLUME[:8], "--state", str(here.config.state), *words])
            out = capsys.readouterr()
            return code, "\n".join(line for line in (out.out + out.err).splitlines() if not line.startswith('{"at":'))

        code, said = typed()
        assert (code, "Stored as on the disk" in said, "2 files" in said) == (0, True, True), said
        overlook(here, "diary")
        code, said = typed()
        assert (code, "NOT stored as on the disk" in said) == (1, True), said
        assert "data/diary: its bytes from 0 on are others" in said
        assert "hint: " in said
        eventually(lambda: here.volume().problem is None, seen=lambda: here.volume())
        code, said = typed("--json")
        assert (code, json.loads(said)["difference_count"]) == (0, 0)
        code = run(["volume", "audit", "ffffffff", "--state", str(here.config.state)])
        assert code == 1


def test_a_store_that_is_damaged_or_silent_is_no_difference(
    pool_path: Path, hive: FakeHive, ended: list[Audited]
) -> None:
    with audited_daemon(pool_path, ManualClock()) as here:
        filled(here, hive)
        found = hive.volume(VOLUME)
        kept = dict(found.objects)
        for name in [name for name in kept if name.startswith("p-")]:
            found.objects[name] = kept[name][:45] + bytes(byte ^ 1 for byte in kept[name][45:])
        told = audit_now(here)
        assert (told.last, ended) == (None, [])
        assert told.problem is not None
        found.objects.update(kept)
        assert here.volume().problem is None
        audit_now(here)
        eventually(lambda: len(ended) == 1, seen=lambda: state(here))
        assert ended[0].difference_count == 0


def test_a_volume_without_a_hive_is_audited_and_says_what_was_found(
    btrfs_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: list[Audited]
) -> None:
    store = tmp_path / "nas"
    store.mkdir()
    with machine(btrfs_path, "alone") as here:
        made = here.made(store=store)
        folder = here.daemon.mount("notes")
        (folder / "diary").write_bytes(os.urandom(100_000))
        here.save()
        answers = [Skipped("data/diary", "it is odd")]
        honest = engine.audit

        def odd(*words: object, **named: object) -> engine.Audit:
            found: engine.Audit = honest(*words, **named)  # type: ignore[arg-type] # passed on as they came
            return replace(found, difference_count=len(answers), differing=tuple(answers))

        monkeypatch.setattr(engine, "audit", odd)
        ask = AuditRequest(made.public_key, begin=True)
        here.daemon.client.audit(ask)
        eventually(lambda: "problem" in here.status(), seen=lambda: here.status())
        assert "data/diary: it is odd" in here.status()["problem"]
        # The one that follows at once finds it too, and then no other one does for long.
        eventually(lambda: len(ended) == 2, seen=lambda: ended)
        here.save()
        assert len(ended) == 2
        answers.clear()
        here.daemon.client.audit(ask)
        eventually(lambda: "problem" not in here.status(), seen=lambda: here.status())
        assert [one.difference_count for one in ended] == [1, 1, 0]
        here.daemon.unmount("notes")
