"""Nothing stays frozen: real control groups, and every process involved is killed at every step."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import thawing
from mosaic.adapters.freezer import Group, frozen, thaw_leftovers
from support.control_groups import Sleeper, control_group
from support.waiting import eventually

pytestmark = [pytest.mark.cgroup, pytest.mark.long]


@pytest.fixture(params=["first", "second"])
def sleeper(request: pytest.FixtureRequest) -> Iterator[Sleeper]:
    """A process in a group of each version, where this machine has both."""
    with control_group(request.param) as folder, Sleeper(folder) as made:
        yield made


def test_a_group_is_held_within_the_block_and_runs_after_it(sleeper: Sleeper, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with frozen([sleeper.group], note) as held:
        assert sleeper.is_held
        assert note.exists()
    assert held.in_time
    assert not sleeper.is_held
    assert not note.exists()


def test_it_runs_again_after_two_seconds_and_the_block_is_told(sleeper: Sleeper, tmp_path: Path) -> None:
    with frozen([sleeper.group], tmp_path / "note") as held:
        eventually(lambda: not sleeper.is_held)
    assert not held.in_time


def test_a_group_that_somebody_else_holds_stays_held(sleeper: Sleeper, tmp_path: Path) -> None:
    sleeper.group.switch.write_text(sleeper.group.freeze)
    eventually(lambda: sleeper.is_held)
    with frozen([sleeper.group], tmp_path / "note") as held:
        pass
    assert held.in_time
    assert sleeper.is_held


def test_a_container_that_ends_meanwhile_is_no_failure(sleeper: Sleeper, tmp_path: Path) -> None:
    gone = Group(*(tmp_path / "gone", "1", "0", tmp_path / "gone-too", "x"))
    with frozen([sleeper.group, gone], tmp_path / "note") as held:
        assert sleeper.is_held
    assert held.in_time


_HOLDER = """
import sys, time
from pathlib import Path
from mosaic.adapters import freezer
step, note, pid = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

def wait_at(name):
    if name == step:
        print("there", flush=True)
        time.sleep(600)

def around(function, name):
    def wrapped(*args, **kwargs):
        wait_at("before " + name)
        found = function(*args, **kwargs)
        wait_at("after " + name)
        return found
    return wrapped

freezer.thawing.LONGEST_SECONDS = 600
for name in ("_note", "_freeze", "_thaw"):
    setattr(freezer, name, around(getattr(freezer, name), name))
with freezer.frozen([freezer.group_of(pid)], note):
    wait_at("within")
wait_at("done")
"""

STEPS = ["before _note", "after _note", "before _freeze", "after _freeze", "within", "before _thaw", "after _thaw"]


def holder(sleeper: Sleeper, step: str, note: Path) -> "subprocess.Popen[bytes]":
    """Start a process that holds the sleeper, and wait until it is at the step."""
    words = [sys.executable, "-c", _HOLDER, step, str(note), str(sleeper.process.pid)]
    started = subprocess.Popen(
        words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert started.stdout is not None
    assert started.stdout.readline() == b"there\n"
    return started


@pytest.mark.parametrize("step", STEPS)
def test_the_holder_is_killed_at_any_step_and_the_app_runs_on(sleeper: Sleeper, tmp_path: Path, step: str) -> None:
    with holder(sleeper, step, tmp_path / "note") as started:
        started.kill()
        started.wait()
        eventually(lambda: not sleeper.is_held)
        # And it stays so: the next start finds nothing, or something that runs anyway.
        thaw_leftovers(tmp_path / "note")
        assert not sleeper.is_held
        assert not (tmp_path / "note").exists()


@pytest.mark.parametrize("step", ["after _freeze", "within", "before _thaw"])
def test_a_holder_that_is_stopped_holds_nobody_longer_than_two_seconds(
    sleeper: Sleeper, tmp_path: Path, step: str
) -> None:
    with holder(sleeper, step, tmp_path / "note") as started:
        started.send_signal(signal.SIGSTOP)
        eventually(lambda: not sleeper.is_held)
        started.kill()


def test_when_both_are_killed_the_next_start_thaws(sleeper: Sleeper, tmp_path: Path) -> None:
    with holder(sleeper, "within", tmp_path / "note") as started:
        for child in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        started.kill()
        started.wait()
        assert sleeper.is_held
        assert thaw_leftovers(tmp_path / "note") == 1
        eventually(lambda: not sleeper.is_held)


def test_when_only_the_child_is_killed_the_holder_thaws_and_is_told(sleeper: Sleeper, tmp_path: Path) -> None:
    with frozen([sleeper.group], tmp_path / "note") as held:
        for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            if thawing.__file__ in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
        time.sleep(0)
    assert not held.in_time
    assert not sleeper.is_held
