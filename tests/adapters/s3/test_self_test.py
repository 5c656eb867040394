"""The self-test believes no store that is not right one after another and at once."""

import itertools
import threading

import pytest

from mosaic.adapters.blobs import ObjectMissing, StoreUnavailable
from mosaic.adapters.s3.bucket import Found
from mosaic.adapters.s3.failures import ConditionFailed
from mosaic.adapters.s3.self_test import Conditions, find_conditions


class Honest:
    """A store in memory that holds to both conditions. Others are wrong in one place."""

    def __init__(self) -> None:
        self.objects: dict[str, Found] = {}
        self._tags = itertools.count(1)
        self._lock = threading.Lock()

    def create(self, key: str, data: bytes) -> str | None:
        with self._lock:
            self.refuse_if(key in self.objects)
            return self.keep(key, data)

    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        with self._lock:
            self.refuse_if(self.read(key).tag != tag)
            return self.keep(key, data)

    def write(self, key: str, data: bytes) -> None:
        self.keep(key, data)

    def keep(self, key: str, data: bytes) -> str:
        """Put it there whatever is there, and return its tag."""
        tag = str(next(self._tags))
        self.objects[key] = Found(data, tag)
        return tag

    def read(self, key: str) -> Found:
        if key not in self.objects:
            raise ObjectMissing(key)
        return self.objects[key]

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def refuse_if(self, differs: bool) -> None:
        if differs:
            raise ConditionFailed("it is otherwise", hint="look again")


class LooksFirst(Honest):
    """Right one after another. At once, all look before the first of them writes."""

    def __init__(self) -> None:
        super().__init__()
        self._looked = threading.Barrier(4)

    def create(self, key: str, data: bytes) -> str | None:
        self.refuse_if(key in self.objects)
        self.meet()
        return self.keep(key, data)

    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        self.refuse_if(self.read(key).tag != tag)
        self.meet()
        return self.keep(key, data)

    def meet(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self._looked.wait(60)


class SaysNoAndWrites(Honest):
    def create(self, key: str, data: bytes) -> str | None:
        is_taken = key in self.objects
        self.keep(key, data)
        self.refuse_if(is_taken)
        return None


class SaysYesAndKeepsTheOld(Honest):
    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        return tag


class Forgets(Honest):
    def create(self, key: str, data: bytes) -> str | None:
        tag = super().create(key, data)
        self.delete(key)
        return tag


class HasNoTags(Honest):
    def read(self, key: str) -> Found:
        return Found(super().read(key).data, None)


class LosesTheFirstReply(Honest):
    """Each write is tried twice, as after a lost reply: the second try meets the first one's bytes."""

    def create(self, key: str, data: bytes) -> str | None:
        tag = super().create(key, data)
        if threading.current_thread() is not threading.main_thread():
            super().create(key, data)
        return tag


class Fails(Honest):
    """The fortieth write fails."""

    def keep(self, key: str, data: bytes) -> str:
        tag = super().keep(key, data)
        if tag == "40":
            raise StoreUnavailable("the test store", "told to fail")
        return tag


@pytest.mark.parametrize(
    ("store", "create_only", "compare_and_swap"),
    [
        (Honest(), True, True),
        (LooksFirst(), False, False),
        (SaysNoAndWrites(), False, True),
        (SaysYesAndKeepsTheOld(), True, False),
        (Forgets(), False, True),
        (HasNoTags(), True, False),
        (LosesTheFirstReply(), True, True),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Honest) else None,
)
def test_only_a_store_that_is_right_in_every_round_is_believed(
    store: Honest, create_only: bool, compare_and_swap: bool
) -> None:
    assert find_conditions(store, "backups") == Conditions(create_only, compare_and_swap)
    assert store.objects == {}


def test_a_store_that_fails_meanwhile_is_neither_believed_nor_left_untidy() -> None:
    store = Fails()
    with pytest.raises(StoreUnavailable):
        find_conditions(store, "backups")
    assert store.objects == {}
