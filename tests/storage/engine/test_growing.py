"""A tree of pages holds what a dict would, and changes only where the records change."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.storage.engine import grow as growing
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.grow import Top, grow
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.pack import Kind
from mosaic.storage.engine.pages import Root, encode_root
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.tree import Tree
from mosaic.storage.engine.upload import Uploader
from support.stores import MemoryStore
from support.volumes import KEYS

EVERYTHING = (b"", b"\xff" * 400)


class Forest:
    """Trees in one store. `written` counts the pages that the last `grow` stored or found stored."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.known = ChunkIndex()
        self.written: set[bytes] = set()
        self.tops: list[Top] = []

    def grow(self, previous: Tree | None, changes: Mapping[bytes, bytes | None]) -> Tree:
        self.written = set()
        with Uploader(KEYS, self.store, self.known) as uploader:

            def write(page: bytes) -> bytes:
                blob = uploader.add(page, Kind.PAGE)
                self.written.add(blob)
                return blob

            top = grow(previous, iter(sorted(changes.items())), write=write, cut_key=KEYS.current.blob_id)
            root = uploader.add(encode_root(Root(top.level, top.page, 1, 0, 0, 0)), Kind.ROOT)
            uploader.finish()
        self.tops.append(top)
        found = self.known.find(root)
        assert found is not None
        return Tree(self.fetcher().get, RootRef(root, found.head.pack))

    def fetcher(self) -> Fetcher:
        return Fetcher(KEYS, self.store, self.known)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "RECORDS_PER_PAGE", 4)
    monkeypatch.setattr(growing, "PAGES_PER_PAGE", 3)
    monkeypatch.setattr(growing, "PAGE_BYTES_MAX", 300)


keys = st.integers(0, 400).map(lambda number: b"N%08d" % number)
changes = st.dictionaries(keys, st.one_of(st.none(), st.binary(max_size=40)), max_size=120)


@settings(max_examples=40, deadline=None)
@given(st.lists(changes, min_size=1, max_size=5))
def test_a_tree_holds_what_a_dict_would(rounds: list[dict[bytes, bytes | None]]) -> None:
    forest = Forest()
    model: dict[bytes, bytes] = {b"A": b"always"}
    tree = forest.grow(None, dict(model))
    for round_ in rounds:
        tree = forest.grow(tree, round_)
        for key, value in round_.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        assert dict(tree.range(EVERYTHING)) == model
        assert list(tree.range((b"N00000100", b"N00000200"))) == sorted(
            item for item in model.items() if b"N00000100" <= item[0] < b"N00000200"
        )
        for key in (b"A", b"N00000007", *round_):
            assert tree.get(key) == model.get(key)


def test_no_change_gives_the_same_tree_and_writes_nothing() -> None:
    forest = Forest()
    tree = forest.grow(None, {b"N%08d" % number: b"value" for number in range(1000)})
    forest.grow(tree, {})
    assert forest.tops[0] == forest.tops[1]
    # The top page itself is looked at, nothing below it.
    assert len(forest.written) <= 1


def test_the_same_records_give_the_same_pages_whatever_happened_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "PAGE_BYTES_MAX", 10_000)
    forest = Forest()
    records = {b"N%08d" % number: b"%d" % number for number in range(2000)}
    forest.grow(None, dict(records))
    noise = random.Random(5)
    tree = forest.grow(None, {b"N00000000": b"0"})
    left = [key for key in records if key != b"N00000000"]
    noise.shuffle(left)
    while left:
        batch, left = left[:300], left[300:]
        tree = forest.grow(tree, {key: records[key] for key in batch})
    assert forest.tops[-1] == forest.tops[0]


def test_one_change_writes_one_page_a_level() -> None:
    forest = Forest()
    tree = forest.grow(None, {b"N%08d" % number: b"value" for number in range(3000)})
    for number in (0, 1500, 2999):
        forest.grow(tree, {b"N%08d" % number: b"other"})
        assert len(forest.written) <= tree.root.level + 3


def test_names_that_were_chosen_to_avoid_every_page_end_do_not_make_a_huge_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growing, "RECORDS_PER_PAGE", 10**9)
    monkeypatch.setattr(growing, "PAGE_BYTES_MAX", 5_000)
    forest = Forest()
    tree = forest.grow(None, {b"N%08d" % number: bytes(100) for number in range(500)})
    assert len(forest.written) > 10
    assert all(len(forest.fetcher().get(page)) < 5_100 for page in forest.written)
    assert len(dict(tree.range(EVERYTHING))) == 500


def test_deleting_nearly_everything_leaves_a_low_tree() -> None:
    forest = Forest()
    records = {b"N%08d" % number: b"value" for number in range(2000)}
    tree = forest.grow(None, dict(records))
    tree = forest.grow(tree, dict.fromkeys(list(records)[1:]))
    assert list(tree.range(EVERYTHING)) == [(b"N00000000", b"value")]
    assert tree.root.level == 0
