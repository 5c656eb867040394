"""The store is damaged in the middle of a move: the app runs again where it came from, and its owner reads why."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.world import MOSAIC, STOP_SECONDS, World, eventually, read_notes, write_note
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def test_a_move_whose_target_cannot_restore_comes_back_with_all_its_data(attic: World) -> None:
    address = attic.address("notes")
    home, target = storage_of(attic.home), storage_of(Layout(attic.folder / "attic"))
    with contextlib.ExitStack() as asleep:
        # While home replicates nothing, the target restores ahead what there is; the last note it has to fetch later.
        waking_home = asleep.enter_context(contextlib.ExitStack())
        waking_home.enter_context(sleeping(home))
        write_note(address, "written a moment before the move", attached=os.urandom(100_000))
        before = read_notes(address)
        mover = subprocess.Popen(
            [*MOSAIC, "move", "notes", "--to", "attic"], env=attic.env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        attic.processes.append(mover)
        in_phase(attic, "draining")
        asleep.enter_context(sleeping(target))
        waking_home.close()
        in_phase(attic, "arriving")
        asleep.enter_context(damaged(attic.home.hive / "volumes"))
        os.kill(target, signal.SIGCONT)
        said = mover.communicate(timeout=STOP_SECONDS)[1].decode()
        attic.processes.remove(mover)
        seen = attic.installation("notes")
    assert (seen["phase"], seen["device"]) == ("settled", attic.device_id("home")), attic.told()
    assert read_notes(attic.address("notes")) == before
    assert mover.returncode == 1
    assert "The move of notes to attic failed: " in said
    assert "home has all its data and takes it back. It runs where it was before" in said
    assert seen["problem"].startswith("The move of notes to attic failed: ")


def in_phase(world: World, phase: str) -> None:
    eventually(lambda: world.installation("notes")["phase"] == phase, f"the move is {phase}", seconds=120, pause=0.02)


def storage_of(layout: Layout) -> int:
    """Return the process of a Device's storage daemon."""
    note = read_note(layout.note("storage"))
    assert note is not None
    return note.pid


@contextlib.contextmanager
def sleeping(pid: int) -> Iterator[None]:
    """Stop a process for a while, as a machine does that sleeps."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def damaged(store: Path) -> Iterator[None]:
    """Flip a bit of every pack in a store, and flip it back."""
    packs = [path for path in store.rglob("*") if path.is_file() and path.name[:2] not in ("h-", "e-")]
    assert packs
    for path in packs:
        flip(path)
    try:
        yield
    finally:
        for path in packs:
            flip(path)


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(40)
        (byte,) = file.read(1)
        file.seek(40)
        file.write(bytes([byte ^ 1]))
