"""The storage daemon as a process: ready when it says so, and killed anywhere while it makes and takes over volumes."""

import contextlib
import http.client
import os
import random
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.core.errors import MosaicError
from mosaic.storage.hiveless.key_file import write_new_key
from support.hiveless import SAVED, Machine
from support.hiveless_store import ALWAYS, FEW, assert_all_read, names, pack_bytes
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

ROUNDS = 4


def test_whoever_waits_for_the_daemon_is_told_when_containers_may_start(btrfs_path: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        with place(btrfs_path, "here", "no-token") as daemon:
            daemon.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
            assert manager.recv(100) == b"READY=1"
            assert daemon.engine("VolumeDriver.List") == {"Volumes": [], "Err": ""}
            daemon.stop()


_ANOTHER_THREAD_IS_TOLD = """
import pathlib, signal, threading, time
def wait():
    while not pathlib.Path({path!r}).exists():
        time.sleep(0.01)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Thread(target=wait, daemon=True).start()
"""


def test_a_daemon_ends_when_it_is_told_to_whichever_thread_the_system_tells(btrfs_path: Path, tmp_path: Path) -> None:
    with place(btrfs_path, "here", "no-token") as daemon:
        daemon.prelude = _ANOTHER_THREAD_IS_TOLD.format(path=str(tmp_path / "now"))
        daemon.start()
        child = daemon.child
        assert child is not None
        eventually(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "S")
        (tmp_path / "now").touch()
        assert child.wait(60) == 0


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
            eventually(lambda: _was_told(holder), seen=holder.volume)  # noqa: B023 (asked at once)
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
    daemon.child.wait(60)
    daemon.start()
    assert machine.create("notes", **options) == ""
    machine.wait_for(SAVED, seconds=40)


def _killed_after(machine: Machine, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, machine.daemon.kill)
    timer.start()
    return timer


def _saved(machine: Machine) -> None:
    """Wait until the store has what was written before. What is written here makes a snapshot due that comes later."""
    now = time.time_ns()
    machine.write(str(now), file="now")
    eventually(
        lambda: (machine.volume().last_replicated_ns or 0) > now and machine.volume().state == SAVED,
        seconds=30,
        seen=machine.volume,
    )


_DIES = """
import os
from mosaic.core import collecting
from mosaic.storage import replication
from mosaic.storage.stores.marked_folder import MarkedStore
collecting.GRACE_SECONDS = 0.0
delete, replicate, passed = MarkedStore.delete, replication.replicate_volume, 0
def come_by(here):
    global passed
    passed += here
    if passed == {count}:
        os.kill(os.getpid(), 9)
def dying(store, name):
    come_by(name.startswith({prefix!r}))
    delete(store, name)
    come_by(name.startswith({prefix!r}))
def condemning(*words, **named):
    come_by({prefix!r} == "" and named.get("condemning") is not None and named["condemning"].kept is not None)
    replicate(*words, **named)
MarkedStore.delete, replication.replicate_volume = dying, condemning
"""
"""A daemon that is killed before or after its delete number `count` of a kind; "": before heads that let others go."""


@pytest.mark.long
@pytest.mark.parametrize("prefix", ["h-", "p-", ""])
def test_killed_in_a_collection_it_loses_nothing_and_the_next_one_ends_it(
    btrfs_path: Path, tmp_path: Path, prefix: str
) -> None:
    store = tmp_path / "nas"
    store.mkdir()
    with place(btrfs_path, "here", "no-token") as daemon:
        daemon.config = replace(daemon.config, collect=ALWAYS)
        machine, last = Machine(daemon), b""
        daemon.start()
        made = machine.made(store=store, keep=FEW)
        daemon.stop()
        for count in (1, 2, 3, 4):
            daemon.prelude = _DIES.format(count=count, prefix=prefix)
            daemon.launch()
            child = daemon.child
            assert child is not None
            eventually(lambda: daemon.answers() or child.poll() is not None)  # noqa: B023 (asked at once)
            for _ in range(40):
                try:
                    content = os.urandom(300_000)
                    (daemon.mount("notes") / "changing").write_bytes(content)
                    last = content
                    daemon.unmount("notes")
                    _saved(machine)
                except (OSError, http.client.HTTPException, MosaicError):
                    child.wait(60)
                    break
            assert child.poll() is not None, "nothing of this kind was done"
            assert_all_read(store, made)
        daemon.prelude = _DIES.format(count=-1, prefix=prefix)
        daemon.start()
        machine.write("and goes on", file="later")
        _saved(machine)
        eventually(lambda: pack_bytes(store, made) < 1_300_000, seen=lambda: names(store, made, "p"))
        assert (daemon.mount("notes") / "changing").read_bytes() == last
        daemon.unmount("notes")
        daemon.stop()
