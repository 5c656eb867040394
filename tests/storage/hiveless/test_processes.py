"""The storage daemon as a process: ready when it says so, and killed anywhere while it makes and takes over volumes."""

import contextlib
import http.client
import random
import socket
import threading
from pathlib import Path

import pytest

from mosaic.storage.hiveless.key_file import write_new_key
from support.hiveless import SAVED, Machine
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.timeout(180)]

ROUNDS = 4


def test_whoever_waits_for_the_daemon_is_told_when_containers_may_start(btrfs_path: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        with place(btrfs_path, "here", "no-token") as daemon:
            daemon.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
            assert manager.recv(100) == b"READY=1"
            assert daemon.engine("VolumeDriver.List") == {"Volumes": [], "Err": ""}
            daemon.stop()


@pytest.mark.long
def test_killed_at_any_moment_of_making_and_taking_over_a_volume_nothing_acknowledged_is_lost(
    btrfs_path: Path, tmp_path: Path
) -> None:
    """The volume goes back and forth between two machines; whoever takes it over is killed in the middle of it."""
    store, key = tmp_path / "nas", tmp_path / "key"
    store.mkdir()
    write_new_key(key)
    chance = random.Random(8)
    with place(btrfs_path, "here", "no-token") as one, place(btrfs_path, "there", "no-token") as two:
        for daemon in (one, two):
            daemon.start()
        holder, other = Machine(one), Machine(two)
        _made_though_killed(holder, chance, store=store, key_file=key)
        for number in range(ROUNDS):
            holder.write(f"round {number}")
            _saved(holder)
            _made_though_killed(other, chance, store=store, key_file=key, take_over="yes")
            assert other.read() == f"round {number}"
            other.write("proves that it writes", file="other")
            _saved(other)
            eventually(lambda: _was_told(holder), seconds=30, seen=holder.volume)  # noqa: B023 (asked at once)
            assert holder.remove() == ""
            holder, other = other, holder
    slots = sorted(path.name for path in next(store.glob("?" * 64)).glob("s-*"))
    assert [int(name.removeprefix("s-")) for name in slots] == list(range(1, len(slots) + 1))


def _was_told(machine: Machine) -> bool:
    if machine.volume().state == "taken over by another machine":
        return True
    with contextlib.suppress(AssertionError):
        # Refused if it was told in between.
        machine.write("something new", file="news")
    return False


def _made_though_killed(machine: Machine, chance: random.Random, **options: object) -> None:
    daemon = machine.daemon
    assert daemon.child is not None
    killer = _killed_after(machine, chance.uniform(0, 0.4))
    with contextlib.suppress(OSError, http.client.HTTPException):
        # The daemon dies before, while or after it answers.
        machine.create("notes", **options)
    killer.join()
    daemon.child.wait(10)
    daemon.start()
    assert machine.create("notes", **options) == ""
    machine.wait_for(SAVED, seconds=40)


def _killed_after(machine: Machine, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, machine.daemon.kill)
    timer.start()
    return timer


def _saved(machine: Machine) -> None:
    before = machine.volume().last_replicated_ns or 0
    eventually(
        lambda: (machine.volume().last_replicated_ns or 0) > before and machine.volume().state == SAVED,
        seconds=30,
        seen=machine.volume,
    )
