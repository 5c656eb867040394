"""Killed before or after any effect of a trial's beginning and end: one of the two states is in place, none is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from mosaic.wire.head import parse
from support.fake_hive_blobs import FakeHive
from support.kill_points import Killed
from support.stepped_daemon import NEW, SteppedDaemon, effects
from support.storage_daemon import VOLUME

pytestmark = [pytest.mark.btrfs, pytest.mark.long]

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])


@pytest.fixture
def daemon(pool_path: Path, hive: FakeHive, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteppedDaemon]:
    with effects(monkeypatch) as kills, SteppedDaemon.made(pool_path / "here", hive, "token-a", kills) as found:
        found.take()
        yield found


def each_kill(daemon: SteppedDaemon, attempt: Callable[[int], tuple[Callable[[], None], Callable[[], None]]]) -> int:
    """Kill at the first effect, then at the second, until one attempt passes none.

    `attempt` prepares the one of that number, and returns what is done, which
    is done again after a kill, and what must be so then. Every third machine
    was rebooted too. Returns how many were killed.
    """
    at, was_killed = 0, True
    while was_killed:
        at, was_killed = at + 1, False
        do, check = attempt(at)
        daemon.kills.passed, daemon.kills.at = 0, at
        try:
            do()
        except Killed:
            was_killed = True
            daemon.kill(reboot=at % 3 == 0)
            do()
        daemon.kills.at = None
        check()
    return at - 1


def held(daemon: SteppedDaemon) -> None:
    """Hold the volume again after a reboot, under a new epoch."""
    if daemon.seen.epoch is None:
        daemon.take()


def without_local_snapshot(daemon: SteppedDaemon) -> None:
    """As when the pool was nearly full: the trial has to cut one of its own."""
    record = daemon.volume.record
    assert record.accepted is not None
    daemon.volume.update(replace(record, accepted=replace(record.accepted, snapshot=None)))


@on_both
def test_killed_while_it_begins_it_begins_with_what_was_replicated(hive: FakeHive, daemon: SteppedDaemon) -> None:
    def attempt(number: int) -> tuple[Callable[[], None], Callable[[], None]]:
        daemon.write(b"old %d" % number)
        head = daemon.replicate()
        without_local_snapshot(daemon)

        def begin() -> None:
            held(daemon)
            if daemon.seen.trial is None:
                daemon.replicate()
            assert daemon.begin(f"{number}").trial == f"{number}"

        def check() -> None:
            began = daemon.volume.record.trial
            assert began is not None and began.head == hive.volume(VOLUME).newest
            assert began.head == head or daemon.boot > 1
            daemon.write(b"new")
            hive.is_down = True
            daemon.end(f"{number}", keep=False)
            daemon.work(lambda: daemon.seen.trial is None)
            hive.is_down = False
            assert daemon.read() == b"old %d" % number

        return begin, check

    assert each_kill(daemon, attempt) >= 4


@on_both
def test_killed_while_it_is_undone_it_ends_with_the_beginning_and_keeps_what_was_written_once(
    hive: FakeHive, daemon: SteppedDaemon
) -> None:
    def attempt(number: int) -> tuple[Callable[[], None], Callable[[], None]]:
        daemon.write(b"old %d" % number)
        head = daemon.replicate()
        daemon.begin(f"{number}")
        daemon.write(b"new %d" % number)
        before = daemon.aside()
        heads = list(hive.volume(VOLUME).heads)
        hive.is_down = True

        def undo() -> None:
            daemon.end(f"{number}", keep=False)
            daemon.work(lambda: daemon.seen.trial is None)

        def check() -> None:
            state = daemon.seen
            assert (state.phase, state.local_head) == ("ready" if state.epoch else "released", head)
            hive.is_down = False
            assert hive.volume(VOLUME).heads == heads
            held(daemon)
            assert daemon.read() == b"old %d" % number
            (name,) = daemon.aside().keys() - before.keys()
            assert daemon.aside() == {**before, name: b"new %d" % number}
            assert state.trialled is not None
            assert (state.trialled.id, state.trialled.kept, state.trialled.conflict) == (f"{number}", False, name)
            daemon.replicate()

        return undo, check

    assert each_kill(daemon, attempt) >= 8


@on_both
def test_killed_while_it_is_kept_it_is_kept(hive: FakeHive, daemon: SteppedDaemon) -> None:
    def attempt(number: int) -> tuple[Callable[[], None], Callable[[], None]]:
        daemon.write(b"old %d" % number)
        head = daemon.replicate()
        daemon.begin(f"{number}")
        daemon.write(b"new %d" % number)

        def keep() -> None:
            daemon.end(f"{number}", keep=True)

        def check() -> None:
            held(daemon)
            daemon.replicate()
            assert (daemon.read(), daemon.aside()) == (b"new %d" % number, {})
            newest = parse(hive.volume(VOLUME).heads[-1])[0]
            assert newest.previous == head
            assert newest.app_digest == bytes.fromhex(NEW.removeprefix("sha256:")) or daemon.boot > 1

        return keep, check

    assert each_kill(daemon, attempt) >= 2


@on_both
def test_killed_while_a_fenced_trial_is_set_aside_what_was_written_is_kept(
    hive: FakeHive, daemon: SteppedDaemon
) -> None:
    def attempt(number: int) -> tuple[Callable[[], None], Callable[[], None]]:
        daemon.write(b"old %d" % number)
        head = daemon.replicate()
        daemon.begin(f"{number}")
        daemon.write(b"new %d" % number)
        before = daemon.aside()

        def give_way() -> None:
            daemon.set_aside()

        def check() -> None:
            state = daemon.seen
            assert (state.phase, state.trial) in (("set-aside", None), ("failed", None), ("absent", None))
            assert hive.volume(VOLUME).newest == head
            (name,) = daemon.aside().keys() - before.keys()
            assert daemon.aside()[name] == b"new %d" % number
            assert state.trialled is not None and (state.trialled.id, state.trialled.conflict) == (f"{number}", name)
            daemon.take()
            daemon.work(lambda: daemon.seen.phase == "ready")
            assert daemon.read() == b"old %d" % number

        return give_way, check

    assert each_kill(daemon, attempt) >= 3
