"""PostgreSQL's own benchmark in a Mosaic volume and in a plain one, in turn.

The plain side is a folder on the machine's file system, which is what a Docker
volume is. The other is a subvolume of a pool that Mosaic made, with a snapshot
cut every few seconds as the daemon does. Both have the same server settings:
PostgreSQL's defaults, so that every commit waits for the disk.
"""

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.adapters import btrfs, loop

SCALE = 20
CLIENTS = (1, 8)
_POOL_BYTES = 4 * 1024**3
_CUT_SECONDS = 15.0
_DEADLINE_SECONDS = 300
_USER = "postgres"


class Database:
    """One server on one folder. It runs from `started` to the block's end."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs

    def make(self) -> None:
        """Make the cluster and fill it. The folder is there and empty."""
        shutil.chown(self._folder, _USER, _USER)
        self._folder.chmod(0o700)
        self._run("initdb", "--pgdata", str(self._folder), "--auth", "trust", "--no-sync")
        with self.started():
            self._run("pgbench", "--initialize", "--quiet", "--scale", str(SCALE), *self._where())

    @contextmanager
    def started(self) -> Iterator[None]:
        """Have the server running."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "--pgdata", str(self._folder), "--log", log, "--options", options)
        try:
            yield
        finally:
            self._run("pg_ctl", "stop", "--wait", "--mode", "fast", "--pgdata", str(self._folder))

    def transactions_per_second(self, clients: int, seconds: int) -> float:
        """Run TPC-B-like transactions."""
        words = ("--client", str(clients), "--jobs", str(min(2, clients)), "--time", str(seconds), "--no-vacuum")
        said = self._run("pgbench", *words, *self._where())
        found = re.search(r"tps = ([0-9.]+) \(without", said)
        assert found, said
        return float(found[1])

    def _where(self) -> tuple[str, ...]:
        return ("--host", str(self._folder), "--username", _USER, "postgres")

    def _run(self, program: str, *words: str) -> str:
        argv = ["runuser", "-u", _USER, "--", str(self._programs / program), *words]
        done = subprocess.run(
            argv, check=True, timeout=_DEADLINE_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd="/",
        )  # fmt: skip
        return done.stdout


def programs() -> Path:
    """Return where the newest PostgreSQL of this machine lies."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    if not found:
        raise SystemExit("PostgreSQL is not installed here: run `script/setup --tests`")
    return found[-1]


@contextmanager
def both(folder: Path) -> Iterator[tuple[Database, Database]]:
    """Yield a database in a Mosaic volume, and one in a plain folder."""
    folder.chmod(0o755)
    image, pool = folder / "postgres.img", folder / "postgres-pool"
    plain, volume = folder / "plain", pool / "live"
    plain.mkdir()
    loop.open_image(image, pool, size_bytes=_POOL_BYTES)
    try:
        btrfs.create(volume)
        sides = Database(volume, programs()), Database(plain, programs())
        for side in sides:
            side.make()
        yield sides
    finally:
        loop.close_image(image, pool)


@contextmanager
def cutting(pool: Path) -> Iterator[None]:
    """Cut a snapshot of `live` every few seconds, and let the one before it go."""
    ending = threading.Event()

    def cut() -> None:
        before: Path | None = None
        while not ending.wait(_CUT_SECONDS):
            path = pool / f"snapshot-{time.time_ns()}"
            btrfs.sync(pool)
            btrfs.snapshot(pool / "live", path)
            if before is not None:
                btrfs.delete(before)
            before = path

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
