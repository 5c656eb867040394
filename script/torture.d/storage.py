#!/usr/bin/env python3
"""The long fault runs of storage: kill -9, power cuts, fencing races, flipped bytes, store errors and a full pool.

`--run` chooses one, `--count` and `--seed` repeat what was seen. What happens
when depends on the machine too, so that a seed repeats the choices and not the
instants. Each run ends after `--minutes` at the latest, and says how far it came.
"""

import argparse
import os
import secrets
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from support.torture import flips, hive_errors, kills, power_cuts, races, store_errors
from support.torture.tally import Tally

_MEMORY = Path("/dev/shm")
Run = Callable[[Tally, Path], None]
RUNS: dict[str, tuple[Run, int]] = {
    "kills": (kills.run, 1000),
    "power-cuts": (power_cuts.run, 200),
    "races": (races.run, 1000),
    "flips": (flips.run, 400),
    "store-errors": (store_errors.run, 500),
    "hive-errors": (hive_errors.run, len(hive_errors.VERBS) * len(hive_errors.WAYS)),
}


def main() -> None:
    """Carry the runs out, one after another."""
    parser = argparse.ArgumentParser(prog="script/torture storage", description="The long fault runs of storage.")
    parser.add_argument("--run", choices=RUNS, action="append", help="only this one; may be given again")
    parser.add_argument("--count", type=int, help="how many faults, instead of each run's own number")
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier run")
    parser.add_argument("--minutes", type=float, default=120.0, help="the most that one run may take")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    seed = secrets.randbelow(1 << 30) if words.seed is None else words.seed
    held = True
    for name in words.run or RUNS:
        run, count = RUNS[name]
        tally = Tally(f"storage {name}", seed, words.count or count, words.minutes * 60, told=say)
        carry_out(run, tally)
        say(tally.line())
        print(tally.json(), flush=True)
        held = held and not tally.failures
    sys.exit(0 if held else 1)


def carry_out(run: Run, tally: Tally) -> None:
    """Run in a folder of its own, in memory where there is room: the disk is not what is tried out."""
    roomy = _MEMORY.is_dir() and os.statvfs(_MEMORY).f_bavail * os.statvfs(_MEMORY).f_frsize > 2 * 1024**3
    with tempfile.TemporaryDirectory(
        prefix="mt-", dir=_MEMORY if roomy else None, ignore_cleanup_errors=True
    ) as folder:
        try:
            run(tally, Path(folder))
        except Exception as error:  # a mistake of a run is a failure of it, and the next one still runs
            traceback.print_exc()
            tally.fail(f"the run ended by {type(error).__name__}: {error} ({tally.last})")


def say(line: str) -> None:
    """Tell people."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
