#!/usr/bin/env python3
"""The long fault runs of storage: kill -9, power cuts, fencing races, flipped bytes, store errors and a full pool.

`--run` chooses one, `--count` and `--seed` repeat what was seen. What happens
when depends on the machine too, so that a seed repeats the choices and not the
instants. Each run ends after `--minutes` at the latest, and says how far it came.
"""

from support.torture import flips, hive_errors, kills, power_cuts, races, store_errors
from support.torture.command import Run, main

RUNS: dict[str, tuple[Run, int]] = {
    "kills": (kills.run, 1000),
    "power-cuts": (power_cuts.run, 200),
    "races": (races.run, 1000),
    "flips": (flips.run, 400),
    "store-errors": (store_errors.run, 500),
    "hive-errors": (hive_errors.run, len(hive_errors.VERBS) * len(hive_errors.WAYS)),
}

if __name__ == "__main__":
    main("storage", RUNS)
