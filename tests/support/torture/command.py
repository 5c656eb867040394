"""The command line of the long fault runs: which runs, how often, by which seed; and what they say at the end."""

import argparse
import os
import secrets
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from support.torture.tally import Tally

_MEMORY = Path("/dev/shm")
Run = Callable[[Tally, Path], None]


def main(group: str, runs: Mapping[str, tuple[Run, int]]) -> None:
    """Carry the runs of a group out, one after another. Each comes with how many faults it makes by itself."""
    parser = argparse.ArgumentParser(prog=f"script/torture {group}", description=f"The long fault runs of {group}.")
    parser.add_argument("--run", choices=runs, action="append", help="only this one; may be given again")
    parser.add_argument("--count", type=int, help="how many faults, instead of each run's own number")
    parser.add_argument("--seed", type=int, help="repeat the choices of an earlier run")
    parser.add_argument("--minutes", type=float, default=120.0, help="the most that one run may take")
    words = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    seed = secrets.randbelow(1 << 30) if words.seed is None else words.seed
    held = True
    for name in words.run or runs:
        run, count = runs[name]
        tally = Tally(f"{group} {name}", seed, words.count or count, words.minutes * 60, told=say)
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
