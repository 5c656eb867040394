"""A store that fails in every way on every verb costs nothing that was acknowledged, and what fails says so."""

from pathlib import Path

import pytest

from support.faulty_store import GET, LIST, PUT
from support.torture import store_errors
from support.torture.tally import Tally

pytestmark = pytest.mark.long


def test_whatever_a_store_does_wrong_every_acknowledged_state_restores_when_it_is_well_again(tmp_path: Path) -> None:
    tally = Tally("store errors", seed=3, count=15, limit_seconds=60)
    store_errors.run(tally, tmp_path)
    assert tally.failures == []
    assert tally.figures["restores"] > 0 < tally.figures["restores_refused"]
    for verb, ways in (("put", PUT), ("get", GET), ("list", LIST)):
        for way in ways:
            assert tally.figures[f"{verb}_{way}"] > 0, (verb, way)
