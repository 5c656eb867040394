"""What is kept for long is looked through once an hour, and garbage goes all the same."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from mosaic.adapters.long_lived import AGAIN_SECONDS, MANY, LongLived

pytestmark = pytest.mark.long


class Thing:
    """Something that may name itself."""

    def __init__(self) -> None:
        self.itself: Thing | None = None


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()


def _circle() -> "tuple[Thing, weakref.ref[Thing]]":
    thing = Thing()
    thing.itself = thing
    return thing, weakref.ref(thing)


def _old(count: int) -> list[list[object]]:
    kept: list[list[object]] = [[] for _ in range(count)]
    gc.collect()
    return kept


def test_what_is_kept_is_not_looked_through_again() -> None:
    kept = _old(MANY)
    LongLived(0).look(0)
    assert gc.get_freeze_count() >= len(kept)
    assert len(gc.get_objects(generation=2)) < MANY


def test_what_becomes_old_later_is_set_aside_too() -> None:
    first = _old(MANY)
    spared = LongLived(0)
    spared.look(0)
    kept = _old(MANY)
    spared.look(1)
    assert gc.get_freeze_count() >= len(first) + len(kept)


def test_garbage_that_comes_later_is_collected() -> None:
    kept = _old(MANY)
    LongLived(0).look(0)
    thing, seen = _circle()
    del thing
    gc.collect()
    assert seen() is None
    assert kept


def test_what_became_garbage_after_it_was_set_aside_goes_within_the_hour() -> None:
    kept = _old(MANY)
    thing, seen = _circle()
    spared = LongLived(0)
    spared.look(0)
    del thing
    gc.collect()
    assert seen() is not None
    spared.look(AGAIN_SECONDS)
    assert seen() is None
    assert kept
