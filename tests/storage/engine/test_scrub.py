"""Rot in a store is found by reading it again, a little at a time."""

import random
import time
from pathlib import Path

import pytest

from mosaic.core.errors import Unavailable
from mosaic.storage.engine.pack import object_name
from mosaic.storage.engine.scrub import Scrubbed, scrub
from support.stores import FailingStore, MemoryStore
from support.volumes import KEYS, Machine

LATER_S = 1_000_000.0


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    """A machine that made three packs, in three rounds."""
    machine = Machine(MemoryStore())
    source = tmp_path / "source"
    source.mkdir()
    for number in range(3):
        (source / f"file{number}").write_bytes(random.Random(number).randbytes(100_000))
        machine.replicate(source)
    return machine


def look(here: Machine, *, budget_bytes: int = 10**9, days: float = 0) -> Scrubbed:
    now_s = time.time() + LATER_S
    return scrub(KEYS, here.store, here.known, before_s=now_s - days, now_s=now_s, budget_bytes=budget_bytes)


def objects(here: Machine) -> dict[str, bytes]:
    assert isinstance(here.store, MemoryStore)
    return here.store.objects


def test_a_whole_store_is_found_whole_and_not_read_again_soon(here: Machine) -> None:
    found = look(here)
    assert (found.packs, found.damaged) == (3, ())
    assert found.read_bytes == sum(len(whole) for name, whole in objects(here).items() if name.startswith("p-"))
    assert look(here, days=5).packs == 0


def test_a_pack_is_not_due_before_its_time(here: Machine) -> None:
    assert scrub(KEYS, here.store, here.known, before_s=time.time() - 60, now_s=time.time(), budget_bytes=1).packs == 0


def test_the_budget_is_kept_and_the_next_time_goes_on_where_it_ended(here: Machine) -> None:
    now_s = time.time() + LATER_S
    each = [
        scrub(KEYS, here.store, here.known, before_s=now_s - 5, now_s=now_s, budget_bytes=1).packs for _ in range(4)
    ]
    assert each == [1, 1, 1, 0]


@pytest.mark.parametrize("where", [0, 8, 20, 45, 70_000, -1, -4, -30])
def test_a_flipped_bit_anywhere_in_a_pack_is_found(here: Machine, where: int) -> None:
    pack = here.known.packs()[1]
    rotten = bytearray(objects(here)[object_name(pack)])
    rotten[where] ^= 1
    objects(here)[object_name(pack)] = bytes(rotten)
    assert look(here).damaged == (pack,)
    assert here.known.damaged() == (pack,)
    assert pack not in here.known.packs()


@pytest.mark.parametrize("left", [0, 3, 49, 60_000])
def test_a_pack_that_is_cut_short_or_gone_is_found(here: Machine, left: int) -> None:
    one, other, _ = here.known.packs()
    objects(here)[object_name(one)] = objects(here)[object_name(one)][:left]
    del objects(here)[object_name(other)]
    assert set(look(here).damaged) == {one, other}


def test_a_store_that_does_not_answer_is_not_called_damaged(here: Machine) -> None:
    inner = here.store
    assert isinstance(inner, MemoryStore)
    here.store = FailingStore(inner, fails_at=1, after=False)
    with pytest.raises(Unavailable):
        look(here)
    assert here.known.damaged() == ()
