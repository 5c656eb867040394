"""All stores share one line, and the owner's limit of it."""

import threading

from mosaic.storage.limits import LimitedStore, Limits, Line
from support.stores import MemoryStore
from support.waiting import eventually


class Clock:
    """Counts; goes on when a line waits, by as long as it would wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Passing(threading.Condition):
    """A condition whose waiting takes no time but the clock's, and ends with it."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._time = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._time.now += timeout
        return False


class CountingLine(Line):
    """A line whose waiting takes no time but the clock's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self._changed = Passing(clock)


def limits_on(clock: Clock) -> Limits:
    limits = Limits()
    limits.upload, limits.download = CountingLine(clock), CountingLine(clock)
    return limits


def test_all_stores_together_send_no_more_than_the_limit() -> None:
    clock = Clock()
    limits = limits_on(clock)
    limits.limit(1_000_000, None)
    stores = [LimitedStore(MemoryStore(), limits, is_patient=number > 0) for number in range(3)]
    for number in range(30):
        stores[number % 3].put(f"p-{number}", bytes(500_000))
    # 15 MB at 1 MB/s; the last object is paid off afterwards, and a second's worth may be saved.
    assert 13.4 <= clock.now <= 15


def test_both_ways_have_limits_of_their_own() -> None:
    clock = Clock()
    limits = limits_on(clock)
    limits.limit(None, 1_000_000)
    store = LimitedStore(MemoryStore(), limits)
    for number in range(5):
        store.put(f"p-{number}", bytes(2_000_000))
    assert clock.now == 0
    for number in range(5):
        store.get_range(f"p-{number}", 0, 1_000_000)
        store.get(f"p-{number}")
    assert 12 <= clock.now <= 15


def test_a_head_waits_for_no_pack() -> None:
    clock = Clock()
    limits = limits_on(clock)
    limits.limit(100_000, None)
    store = LimitedStore(MemoryStore(), limits)
    store.put("p-1", bytes(16_000_000))
    store.put("h-1", bytes(274))
    assert clock.now == 0


def test_a_limit_that_is_taken_away_frees_who_waits_under_it() -> None:
    limits = Limits()
    limits.limit(1, None)
    store = LimitedStore(inner := MemoryStore(), limits)
    store.put("p-1", bytes(100_000))
    waits = threading.Thread(target=store.put, args=("p-2", bytes(100_000)), daemon=True)
    waits.start()
    eventually(lambda: limits.upload._saving)
    assert "p-2" not in inner.objects
    limits.limit(None, None)
    waits.join(60)
    assert "p-2" in inner.objects


def test_a_stop_frees_who_waits() -> None:
    limits = Limits()
    limits.limit(1, None)
    store = LimitedStore(inner := MemoryStore(), limits, is_patient=True)
    waits = threading.Thread(target=store.put, args=("p-2", bytes(100_000)), daemon=True)
    waits.start()
    eventually(lambda: limits.upload._saving)
    limits.stop()
    waits.join(60)
    assert "p-2" in inner.objects
