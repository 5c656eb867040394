"""Killed after any step, the engine converges, and what was acknowledged is never lost (G2, G3)."""

import random
from pathlib import Path

import pytest

from mosaic.core.errors import Unavailable
from mosaic.storage.engine import upload
from support.stores import FailingStore, MemoryStore
from support.trees import tree_difference
from support.volumes import Machine

pytestmark = pytest.mark.long

ROUNDS = 3


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PACK_BYTES", 100_000)


def edit(source: Path, number: int) -> None:
    noise = random.Random(number)
    for at in range(5):
        (source / f"file{at}").write_bytes(noise.randbytes(50_000))
    (source / f"new{number}").mkdir()


@pytest.mark.parametrize("after", [False, True], ids=["before it had its effect", "after it had its effect"])
def test_a_store_call_that_fails_costs_nothing_that_was_acknowledged(tmp_path: Path, after: bool) -> None:
    fails_at = 1
    while True:
        folder = tmp_path / str(fails_at)
        source = folder / "source"
        source.mkdir(parents=True)
        store = MemoryStore()
        failing = FailingStore(store, fails_at=fails_at, after=after)
        here = Machine(failing)
        acknowledged = []
        for number in range(ROUNDS):
            edit(source, number)
            try:
                state = here.replicate(source).root
            except Unavailable:
                if number % 2:
                    here.forget()  # a machine that was killed may lose its caches too
                state = here.replicate(source).root
            target = folder / f"target{number}"
            Machine(store).restore(state, target)
            assert tree_difference(source, target) == []
            acknowledged.append(state)
        assert all(Machine(store).verify(state).damaged == () for state in acknowledged)
        if not failing.failed:
            break
        fails_at += 1
    assert fails_at > 12


def test_what_was_sent_before_a_failure_is_not_sent_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "noise").write_bytes(random.Random(9).randbytes(900_000))
    whole = MemoryStore()
    Machine(whole).replicate(source)
    store = MemoryStore()
    here = Machine(FailingStore(store, fails_at=4, after=True))
    with pytest.raises(Unavailable):
        here.replicate(source)
    here.forget()
    here.replicate(source)
    assert store.put_bytes < whole.put_bytes * 1.2


def test_a_restore_that_failed_is_begun_anew_elsewhere(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    edit(source, 1)
    store = MemoryStore()
    state = Machine(store).replicate(source).root
    fails_at = 1
    while True:
        there = Machine(FailingStore(store, fails_at=fails_at, after=False))
        try:
            there.restore(state, tmp_path / f"target{fails_at}")
        except Unavailable:
            there.restore(state, tmp_path / f"again{fails_at}")
            assert tree_difference(source, tmp_path / f"again{fails_at}") == []
        else:
            break
        fails_at += 1
    assert fails_at > 3
