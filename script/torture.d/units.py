#!/usr/bin/env python3
"""The lives of the units of `mosaic up --install`, in a machine that systemd booted and that has no Mosaic.

`--count` says how often one of them is killed. Its images must be there: `script/images notes`.
"""

from support.torture import units
from support.torture.command import Run, main

RUNS: dict[str, tuple[Run, int]] = {"units": (units.run, 8)}

if __name__ == "__main__":
    main("units", RUNS)
