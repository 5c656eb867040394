#!/usr/bin/env python3
"""The long fault runs of the network: a Device and a Hive on a line with 500 ms each way and 10 % loss.

The line goes away for up to minutes, and either process is killed, while
orders are given and what there is to tell changes. `--count`, `--seed` and
`--minutes` are as for the storage runs.
"""

from support.torture import network
from support.torture.command import Run, main

RUNS: dict[str, tuple[Run, int]] = {"bad-line": (network.run, 150)}

if __name__ == "__main__":
    main("network", RUNS)
