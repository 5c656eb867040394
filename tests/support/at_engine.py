"""A storage daemon that the machine's real Docker engine finds, and that engine's client."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mosaic.storage.config import PLUGIN_DIR
from mosaic.storage.serve import serving
from support.absent_drivers import stand_aside, stand_in
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import TestDaemon, place

BASE = os.environ.get("MOSAIC_TEST_BASE", "mosaic/base:12")
"""What `script/images` makes first."""

DRIVER = "mosaic-test"
"""One name for all: an engine never forgets a driver, and waits for each that has gone."""


@contextmanager
def findable(pool: Path, token: str, *, interval_seconds: float = 0.2) -> Iterator[TestDaemon]:
    """Yield a daemon that is not running, by the name that the engine knows."""
    with place(pool, DRIVER, token, interval_seconds=interval_seconds) as made:
        made.config = replace(made.config, driver=DRIVER, plugin_dir=PLUGIN_DIR)
        stand_aside(DRIVER)
        try:
            yield made
        finally:
            stand_in(DRIVER)


@contextmanager
def at_the_engine(pool: Path, hive: FakeHive, *, interval_seconds: float = 0.2) -> Iterator[TestDaemon]:
    """Yield a daemon that runs and has a Hive; its volumes are removed from the engine at the end."""
    with findable(pool, "token-a", interval_seconds=interval_seconds) as made, serving(made.config) as inside:
        made.connect(hive)
        made.inside = inside
        try:
            yield made
        finally:
            for name in volumes():
                # The driver refuses to remove data, so it has to forget that it has some.
                inside.books.docker_volumes.delete(name)
                docker("volume", "rm", "--force", name)


def volumes() -> list[str]:
    """Return what the engine knows of the driver."""
    return docker("volume", "ls", "--quiet", "--filter", f"driver={DRIVER}").split()


def docker(*words: str, fails: bool = False) -> str:
    """Run the engine's client, which must succeed, or fail, and return what it said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout
