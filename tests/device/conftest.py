"""A real Hive on loopback and its owner, for what a Device says to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.clock import SystemClock
from support.running_hive import Owner, RunningHive, running_hive


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[RunningHive]:
    """A Hive without an account."""
    (tmp_path / "hive").mkdir()
    with running_hive(tmp_path / "hive", clock=SystemClock()) as running:
        yield running


@pytest.fixture
def owner(hive: RunningHive) -> Owner:
    """The account's owner."""
    return hive.set_up()
