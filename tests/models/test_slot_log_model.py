"""G1 and G2 without a Hive: whatever machines do to one store, in whatever order, its history stays one line.

Hypothesis chooses who makes the next request and what becomes of it, who is
started again, who is asked to take over, and which machine is cloned.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.slot_world import VOLUME, Fate, Ledger, Machine, SharedStore
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import open_head
from mosaic.storage.engine.slots import slot_name

FATES: tuple[Fate, ...] = ("done", "done", "done", "done", "answer lost", "killed before", "killed after")
MACHINES = 3
HEADS = 3


@pytest.mark.long
@settings(max_examples=100)
@given(st.data())
def test_the_history_is_one_line_and_no_acknowledged_head_is_lost(data: st.DataObject) -> None:
    store = SharedStore()
    machines = [Machine(number, store, Ledger(take_over=number > 0)) for number in range(MACHINES)]
    for _ in range(data.draw(st.integers(10, 120), label="requests")):
        machine = machines[data.draw(st.integers(0, len(machines) - 1), label="machine")]
        if machine.waits:
            machine.let_through(data.draw(st.sampled_from(FATES), label="fate"))
            continue
        ledger = machine.ledger
        if ledger.set_aside and data.draw(st.booleans(), label="asked again"):
            machine.ledger = replace(ledger, set_aside=False, take_over=True)
        elif len(machines) == MACHINES and data.draw(st.integers(0, 9), label="cloned") == 0:
            clone = Machine(MACHINES, store, ledger)
            clone.device = machine.device
            machines.append(clone)
        machine.start(HEADS)
    for machine in machines:
        while machine.waits:
            machine.let_through("killed before")
        assert machine.mistake is None, machine.mistake
    _check(store, machines)


def _check(store: SharedStore, machines: list[Machine]) -> None:
    slots = sorted(name for name in store.objects if name.startswith("s-"))
    assert slots == [slot_name(seq) for seq in range(1, len(slots) + 1)]
    chain = [store.objects[name] for name in slots]
    before = None
    for seq, signed in enumerate(chain, 1):
        head = open_head(signed, VOLUME)
        assert head.seq == seq
        assert head.previous == (head_hash(before) if before else None)
        if before is not None:
            older = open_head(before, VOLUME)
            # An epoch begins with a claim: the next number, the same state.
            assert head.epoch in (older.epoch, older.epoch.next())
            assert head.epoch != older.epoch or head.device == older.device
            assert head.epoch == older.epoch or (head.root, head.instant_ns) == (older.root, older.instant_ns)
        before = signed
    accepted = {head_hash(signed) for signed in chain}
    for machine in machines:
        assert set(machine.ledger.acknowledged) <= accepted
