"""What was replicated comes back exactly (G2), whatever the tree and whatever happened to it."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.edits import Edit, edits, make
from support.trees import tree_difference
from support.volumes import Machine

_SETTINGS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_SETTINGS
@given(st.lists(edits, min_size=1, max_size=4), st.booleans())
def test_every_state_restores_on_another_machine(rounds: list[list[Edit]], forgets: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        here = Machine()
        for number, round_ in enumerate(rounds):
            make(source, round_)
            if forgets:
                here.forget()
            state = here.replicate(source)
            target = Path(folder, f"target{number}")
            Machine(here.store).restore(state.root, target)
            assert tree_difference(source, target) == []
            assert here.replicate(source).root == state.root
        assert here.verify(state.root).damaged == ()


@_SETTINGS
@given(edits, edits, edits)
def test_a_restored_tree_goes_on_where_the_first_machine_stopped(
    first: list[Edit], second: list[Edit], third: list[Edit]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, moved, back = Path(folder, "source"), Path(folder, "moved"), Path(folder, "back")
        source.mkdir()
        here = Machine()
        make(source, first)
        old = here.replicate(source).root
        make(source, second)
        newest = here.replicate(source).root
        there = Machine(here.store)
        there.restore(newest, moved)
        assert there.replicate(moved).uploaded_bytes == 0
        make(moved, third)
        last = there.replicate(moved).root
        # `source` still holds `newest`, byte for byte: what a base must be.
        here.restore(last, back, base=(source, newest))
        assert tree_difference(moved, back) == []
        Machine(here.store).restore(old, Path(folder, "old"))
