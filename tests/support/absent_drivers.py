"""Answering for the volume drivers of worlds that have ended.

An engine forgets no driver that it ever asked, and waits for 15 seconds for
each that has gone whenever somebody lists volumes.
"""

import sys
from pathlib import Path

import msgspec

from mosaic.adapters import process
from mosaic.storage.config import PLUGIN_DIR
from support.waiting import eventually

_PROGRAM = Path(__file__).parents[2] / "script" / "lib" / "absent_drivers.py"
_standing_in: dict[str, process.Child] = {}


def stand_in(driver: str) -> None:
    """Answer for a driver that has gone, to the end of all tests or until `stand_aside`: it has no volumes."""
    stand_aside(driver)
    _standing_in[driver] = process.spawn([sys.executable, str(_PROGRAM), driver])
    eventually((PLUGIN_DIR / f"{driver}.sock").exists)


def stand_in_for_earlier_runs() -> None:
    """Answer for the drivers of tests that this engine still asks, because it was used for tests before."""
    known = process.run(["docker", "info", "--format", "{{json .Plugins.Volume}}"], deadline_seconds=300).stdout
    for driver in msgspec.json.decode(known, type=list[str]):
        if driver.startswith("mosaic-") and not (PLUGIN_DIR / f"{driver}.sock").exists():
            stand_in(driver)


def stand_aside(driver: str) -> None:
    """Leave the name to a driver that is about to start."""
    child = _standing_in.pop(driver, None)
    if child is not None:
        child.stop(10)
