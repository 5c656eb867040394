#!/usr/bin/env python3
"""The long runs of links: two gateways, links at home by WireGuard and TCP, a visitor and Pebble, in namespaces.

`bulk` sends a gibibyte each way (`--count`: how often), `sockets` leaves a thousand WebSockets idle for five
minutes (`--count`: how many), and `faults` kills processes and machines, moves the home and takes its
line away (`--count`: how often); each fault's longest way back is in the figures, in milliseconds.
"""

from support.torture import links
from support.torture.command import Run, main

RUNS: dict[str, tuple[Run, int]] = {
    "bulk": (links.bulk, 1),
    "sockets": (links.sockets, 1000),
    "faults": (links.faults, 80),
}

if __name__ == "__main__":
    main("link", RUNS)
