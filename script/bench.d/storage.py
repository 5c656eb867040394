#!/usr/bin/env python3
"""What snapshots and replication cost, against restic on the same data.

Data      One volume of 1 GiB: 20,000 files in 200 directories (60 % text, 40 %
          noise) and one SQLite file of 500 MiB, on a loop-mounted btrfs as Mosaic
          makes it. Stores and repositories are folders on the machine's own
          file system. The page cache is dropped before every run of either side.
Mosaic    One process holds the engine, its caches and the keys, as the daemon
          does, and does for each round what the daemon does: cut, ask the
          kernel for the difference, upload to a folder, mirror the signed head.
Anchor    restic, the newest that Debian offers, one process a run as it is
          used: `backup --no-scan --quiet`, its cache kept, compression auto, and
          the feature flag `device-id-for-hardlinks`, without which every snapshot
          of btrfs looks new to it.

Both sides back up the same read-only snapshot at the same path; who goes first
alternates. `--quick` takes medians of 3 instead of 5. Needs root.

`--case pgbench` measures a database in a volume instead, and `--case big` the
memory that a million files and a file of 10 GiB take; both take long.
"""

import argparse
import random
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent))

from results.line import report
from storage_bench import big, postgres
from storage_bench.sides import Mosaic, Restic, drop_caches
from storage_bench.volume import BenchVolume

from mosaic.adapters import btrfs, loop

T = TypeVar("T")
POOL_BYTES = 12 * 1024**3
BIG_POOL_BYTES = 24 * 1024**3
"""Two million inodes and what they need: more than the usual volume does."""


def main() -> None:
    """Measure everything and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What snapshots and replication cost.")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5")
    parser.add_argument("--seed", type=int, default=1, help="other data of the same kind")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    parser.add_argument("--case", choices=("usual", "pgbench", "big"), default="usual", help="what to measure")
    words = parser.parse_args()
    rounds = 3 if words.quick else 5
    folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
    try:
        if words.case == "pgbench":
            measure_database(folder, seconds=8 if words.quick else 30)
            return
        if words.case == "big":
            measure_memory(folder, scale=20 if words.quick else 1)
            return
        with ExitStack() as opened:
            volume = opened.enter_context(BenchVolume.made(folder, POOL_BYTES, random.Random(words.seed)))
            measure_snapshots(volume, rounds)
            mosaic, restic = measure_first(folder, volume, rounds, opened)
            measure_changes(volume, mosaic, restic, rounds)
            measure_restores(folder, mosaic, restic, rounds)
            report("storage peak memory", mosaic.peak_bytes() / 1024**2, "MiB", goal="value<=150")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_snapshots(volume: BenchVolume, rounds: int) -> None:
    """Cut snapshots of a volume at rest, and of one with 64 MiB in the page cache alone."""
    clean = [volume.timed_cut() for _ in range(3 * rounds)]
    report("storage snapshot clean", statistics.median(clean) * 1000, "ms", goal="value<20")
    dirty = []
    for _ in range(rounds):
        volume.dirty(64 * 1024**2)
        dirty.append(volume.timed_cut())
    report("storage snapshot dirty", statistics.median(dirty) * 1000, "ms", goal="value<100")


def measure_first(folder: Path, volume: BenchVolume, rounds: int, opened: ExitStack) -> tuple[Mosaic, Restic]:
    """Upload everything into an empty store, several times. Returns the last ones, for what follows."""
    ours, theirs, our_bytes, their_bytes = [], [], [], []
    volume.cut()
    for turn in range(rounds):
        mosaic = opened.enter_context(Mosaic(folder / f"mosaic{turn}"))
        restic = Restic(folder / f"restic{turn}", folder)
        for side, times, sizes in alternating(turn, (mosaic, ours, our_bytes), (restic, theirs, their_bytes)):
            drop_caches()
            seconds, sent = side.back_up(volume.current)
            times.append(seconds)
            sizes.append(sent)
        if turn < rounds - 1:
            mosaic.end()
            shutil.rmtree(folder / f"mosaic{turn}")
            shutil.rmtree(folder / f"restic{turn}")
    compare("storage first upload time", ours, theirs, "s", "ratio<=0.6")
    compare("storage first upload bytes", our_bytes, their_bytes, "B", "ratio<=1.06")
    return mosaic, restic


def measure_changes(volume: BenchVolume, mosaic: Mosaic, restic: Restic, rounds: int) -> None:
    """Replicate after each kind of change."""
    cases: list[tuple[str, Callable[[], None], str | None, str | None]] = [
        ("4 KiB in a 500 MiB file", lambda: volume.write_scattered(1), "ratio<=0.05", "value<=80000"),
        ("100 scattered 4 KiB", lambda: volume.write_scattered(100), None, "ratio<=0.2"),
        ("1000 small files", lambda: volume.change_files(1000), "ratio<=0.5", None),
        ("100 directories renamed", volume.rename_directories, None, "ratio<=1"),
    ]
    nothing(mosaic, rounds)
    for name, change, time_goal, bytes_goal in cases:
        ours, theirs, our_bytes, their_bytes = [], [], [], []
        for turn in range(rounds):
            change()
            volume.cut()
            for side, times, sizes in alternating(turn, (mosaic, ours, our_bytes), (restic, theirs, their_bytes)):
                drop_caches()
                seconds, sent = side.back_up(volume.current)
                times.append(seconds)
                sizes.append(sent)
        compare(f"storage {name} time", ours, theirs, "s", time_goal)
        compare(f"storage {name} bytes", our_bytes, their_bytes, "B", bytes_goal)


def nothing(mosaic: Mosaic, rounds: int) -> None:
    """Do a round in which nothing changed."""
    found = [mosaic.idle_round() for _ in range(rounds)]
    report("storage nothing changed cpu", statistics.median(cpu for cpu, _ in found) * 1000, "ms", goal="value<=20")
    report("storage nothing changed requests", max(requests for _, requests in found), "1", goal="value<=0")


def measure_restores(folder: Path, mosaic: Mosaic, restic: Restic, rounds: int) -> None:
    """Restore everything, and verify everything."""
    for name, goal, verb in (("restore", "ratio<=0.55", "restore"), ("verify", "ratio<=0.5", "verify")):
        ours, theirs = [], []
        for turn in range(rounds):
            for side, times in alternating(turn, (mosaic, ours), (restic, theirs)):
                drop_caches()
                times.append(getattr(side, verb)(folder / "restored"))
                shutil.rmtree(folder / "restored", ignore_errors=True)
        compare(f"storage {name} time", ours, theirs, "s", goal)


def measure_database(folder: Path, *, seconds: int) -> None:
    """Run pgbench on both sides in turn, three rounds, with one client and with eight."""
    with postgres.both(folder) as (ours, theirs), postgres.cutting(folder / "postgres-pool"):
        for clients in postgres.CLIENTS:
            found: tuple[list[float], list[float]] = ([], [])
            for turn in range(3):
                for side, rates in alternating(turn, (ours, found[0]), (theirs, found[1])):
                    with side.started():
                        rates.append(side.transactions_per_second(clients, seconds))
            report(f"storage pgbench {clients} clients", statistics.median(found[0]), "tps", goal="ratio>=0.6",
                   anchor="plain volume", anchor_value=statistics.median(found[1]))  # fmt: skip


def measure_memory(folder: Path, *, scale: int) -> None:
    """Upload, verify and restore a big volume; `scale` makes it smaller."""
    image, pool = folder / "pool.img", folder / "pool"
    loop.open_image(image, pool, size_bytes=BIG_POOL_BYTES)
    try:
        big.fill(pool / "live", big.FILES // scale, big.BIG_BYTES // scale)
        btrfs.sync(pool)
        btrfs.snapshot(pool / "live", pool / "current")
        with Mosaic(folder / "mosaic", deadline_seconds=7200) as mosaic:
            for name, verb in (("first upload", lambda: mosaic.back_up(pool / "current")),
                               ("verify", lambda: mosaic.verify(folder)),
                               ("restore", lambda: mosaic.restore(pool / "restored"))):  # fmt: skip
                verb()
                report(
                    f"storage big volume memory after {name}", mosaic.peak_bytes() / 1024**2, "MiB", goal="value<=150"
                )
    finally:
        loop.close_image(image, pool)


def alternating(turn: int, *sides: T) -> tuple[T, ...]:
    """Let each side be first as often as the other."""
    return sides if turn % 2 else sides[::-1]


def compare(name: str, ours: list[float], theirs: list[float], unit: str, goal: str | None) -> None:
    """Print the medians of both sides."""
    report(name, statistics.median(ours), unit, goal=goal, anchor="restic", anchor_value=statistics.median(theirs))


if __name__ == "__main__":
    main()
