"""What a tree says of kept snapshots is carried on by whoever goes on from it."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.core.retention import Retention
from mosaic.storage.engine.condemning import Condemning
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.kept_list import KeptList, kept_in, stage_kept
from mosaic.storage.engine.records import DECIDED_KEY, kept_key, kept_seq
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.tree import Tree
from storage.engine.test_rescue import rescue
from support.collecting import Collector
from support.stores import MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine

RULE = Retention(2, 0, 3, 0, 1)


def said(store: MemoryStore, root: RootRef) -> KeptList | None:
    """What a machine reads that knows nothing but the store."""
    known = ChunkIndex()
    known.load(store, KEYS)
    with Fetcher(KEYS, store, known) as fetcher:
        return kept_in(Tree(fetcher.get, root))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    (top / "page").write_text("one")
    return top


def test_a_list_is_carried_on_replaced_and_read_past_by_who_only_restores(source: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    here = Collector(Machine(store))
    assert said(store, here.snapshot(source)) is None
    first = KeptList(2, frozenset({1, 2}), RULE)
    assert said(store, here.snapshot(source, Condemning(kept=first))) == first
    (source / "page").write_text("two")
    assert said(store, here.snapshot(source)) == first
    second = KeptList(900, frozenset({2, *range(700, 901)}), replace(RULE, last=1))
    newest = here.snapshot(source, Condemning(kept=second))
    assert said(store, newest) == second
    assert (second.keeps(2), second.keeps(1), second.keeps(901)) == (True, False, True)
    Machine(store).restore(newest, tmp_path / "target")
    assert tree_difference(source, tmp_path / "target") == []
    (tmp_path / "store").mkdir()
    for name, content in store.objects.items():
        (tmp_path / "store" / name).write_bytes(content)
    assert rescue(tmp_path, "--to", str(tmp_path / "rescued")).returncode == 0
    assert tree_difference(source, tmp_path / "rescued") == []


def test_the_records_are_frozen() -> None:
    assert kept_key(1204).hex() == "4b00000000000004b4"
    assert (kept_seq(kept_key(1204)), DECIDED_KEY.hex()) == (1204, "4b0000000000000000")
    with pytest.raises(TreeMalformed):
        kept_seq(kept_key(1) + b"\0")
    with closing(Stage()) as stage:
        stage_kept(stage, None, KeptList(9, frozenset({7}), RULE))
        staged = [(key.hex(), value and value.hex()) for key, value in stage.in_order()]
    decided = "0000000000000009" + "00000002" + "00000000" + "00000003" + "00000000" + "00000001"
    assert staged == [(DECIDED_KEY.hex(), decided), (kept_key(7).hex(), b"")]
