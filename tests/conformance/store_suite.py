"""What every store must do. A store's tests subclass `StoreSuite` and give it a fixture `store`: an empty one."""

import threading
from typing import ClassVar

import pytest

from mosaic.adapters.blobs import ObjectDamaged, ObjectExists, ObjectMissing, ObjectRefused
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import MAX_OBJECT_BYTES


class StoreSuite:
    """The obligations of `mosaic.storage.engine.store.Store`, one test each.

    `many` is more than one page of a listing, where a store has pages.
    """

    many: ClassVar[int] = 1100

    def test_what_was_put_can_be_got(self, store: Store) -> None:
        store.put("p-1", b"one")
        store.put("p-2", b"")
        assert store.get("p-1") == b"one"
        assert store.get("p-2") == b""

    def test_putting_the_same_bytes_again_succeeds(self, store: Store) -> None:
        store.put("p-1", b"one")
        store.put("p-1", b"one")
        assert store.get("p-1") == b"one"

    def test_putting_other_bytes_is_refused_and_changes_nothing(self, store: Store) -> None:
        store.put("p-1", b"one")
        for other in (b"two", b"on", b"one!", b""):
            with pytest.raises(ObjectExists):
                store.put("p-1", other)
        assert store.get("p-1") == b"one"

    def test_of_many_writers_of_one_name_exactly_one_wins(self, store: Store) -> None:
        wins: list[int] = []
        barrier = threading.Barrier(6)

        def write(number: int) -> None:
            barrier.wait(60)
            try:
                store.put("h-1", b"%d" % number * 1000)
            except ObjectExists:
                return
            wins.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(wins) == 1
        assert store.get("h-1") == b"%d" % wins[0] * 1000

    def test_an_object_that_is_not_there_is_said_to_be_missing(self, store: Store) -> None:
        with pytest.raises(ObjectMissing):
            store.get("p-1")
        with pytest.raises(ObjectMissing):
            store.get_range("p-1", 0, 1)
        assert list(store.list("")) == []

    def test_a_range_is_exactly_those_bytes(self, store: Store) -> None:
        store.put("p-1", bytes(range(100)))
        assert store.get_range("p-1", 0, 100) == bytes(range(100))
        assert store.get_range("p-1", 10, 5) == bytes(range(10, 15))
        assert store.get_range("p-1", 99, 1) == b"\x63"

    def test_a_range_beyond_the_end_is_damage_and_not_a_short_answer(self, store: Store) -> None:
        store.put("p-1", bytes(100))
        for offset, length in ((99, 2), (100, 1), (1000, 10), (0, 101)):
            with pytest.raises(ObjectDamaged):
                store.get_range("p-1", offset, length)

    def test_a_list_is_sorted_complete_and_of_the_prefix(self, store: Store) -> None:
        for name in ("p-b", "h-1", "p-a", "p", "p-c0"):
            store.put(name, name.encode())
        assert [(entry.name, entry.size) for entry in store.list("p-")] == [("p-a", 3), ("p-b", 3), ("p-c0", 4)]
        assert [entry.name for entry in store.list("")] == ["h-1", "p", "p-a", "p-b", "p-c0"]
        assert list(store.list("q")) == []

    def test_a_list_is_complete_however_long_it_is(self, store: Store) -> None:
        names = [f"p-{number:04d}" for number in range(self.many)]
        for name in names:
            store.put(name, b"x")
        assert [entry.name for entry in store.list("p-")] == names

    def test_what_was_deleted_is_gone_and_may_be_deleted_again(self, store: Store) -> None:
        store.put("p-1", b"one")
        store.put("p-2", b"two")
        store.delete("p-1")
        store.delete("p-1")
        with pytest.raises(ObjectMissing):
            store.get("p-1")
        assert [entry.name for entry in store.list("")] == ["p-2"]
        assert store.get("p-2") == b"two"

    def test_a_name_that_is_none_is_refused(self, store: Store) -> None:
        for name in ("", ".", "..", "../p-1", "a/b", "/etc", "P-1", "-p", "p 1", "p\0", "p\n", "ü", "p" * 161):
            with pytest.raises(ObjectRefused):
                store.put(name, b"one")
            with pytest.raises(ObjectRefused):
                store.get(name)
            with pytest.raises(ObjectRefused):
                store.get_range(name, 0, 1)
            with pytest.raises(ObjectRefused):
                store.delete(name)
        assert list(store.list("")) == []

    def test_an_object_that_is_too_big_is_refused(self, store: Store) -> None:
        with pytest.raises(ObjectRefused):
            store.put("p-1", bytes(MAX_OBJECT_BYTES + 1))
        assert list(store.list("")) == []

    def test_an_object_as_big_as_a_pack_survives(self, store: Store) -> None:
        whole = bytes(range(256)) * 70_000
        store.put("p-1", whole)
        assert store.get("p-1") == whole
        assert store.get_range("p-1", 17_000_000, 300) == whole[17_000_000:17_000_300]

    def test_several_threads_may_read_and_write_at_once(self, store: Store) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for step in range(20):
                    name = f"p-{number}-{step}"
                    store.put(name, name.encode() * 100)
                    assert store.get_range(name, 0, len(name)) == name.encode()
            except BaseException as error:  # a failed assertion in a thread must fail the test
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert len(list(store.list("p-"))) == 80
