"""Every byte of every kind of object: a flip is noticed, and costs at most the files that touch it (G9)."""

from pathlib import Path

import pytest

from support.torture import flips
from support.torture.tally import Tally

pytestmark = pytest.mark.long


def test_each_flipped_byte_of_each_kind_of_object_is_noticed_and_costs_only_what_touches_it(tmp_path: Path) -> None:
    tally = Tally("flips", seed=3, count=24, limit_seconds=60)
    flips.run(tally, tmp_path)
    assert tally.failures == []
    kinds = ("pack_header", "pack_blob", "pack_footer", "head", "mirrored_head", "envelope", "mark")
    assert all(tally.figures[f"flipped_{kind}"] > 0 for kind in kinds)
    assert tally.figures["damaged_blobs"] > 20
