#!/usr/bin/env python3
"""What a Device costs while nothing happens: ten tiny apps with a volume each, on the real engine.

Memory of the Device's process and of the storage daemon's, added up (Rss; Pss
counts pages that both share once), their processor time over some minutes, and
the bytes that both send to the Hive meanwhile, framing and pings included.
Caddy, the LAN front that runs beside the Device, is reported with them, and
the apps' containers are not looked at.

Needs root, a Docker engine with the base image of the tests, and `ss`. Leaves nothing.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from results.line import report
from running.mosaic_up import mosaic, mosaic_up, run
from running.processes import cpu_seconds, memory_mb

DRIVER = "mosaic-bench-device"
IMAGE = os.environ.get("MOSAIC_TEST_BASE", "mosaic/base:12")
APPS = 10
SETTLE_SECONDS = 75
"""Until what the installations wrote is replicated, and the connections that they needed are closed."""

COMPOSE = f"""\
x-mosaic:
  title: Tiny
  summary: Sleeps beside a volume.
services:
  web:
    image: {IMAGE}
    command: [sleep, infinity]
    stop_grace_period: 1s
    volumes: ["data:/data"]
volumes:
  data: {{}}
"""


def main() -> None:
    """Measure everything and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What a Device costs while nothing happens.")
    parser.add_argument("--quick", action="store_true", help="look for 2 minutes instead of 10")
    window_seconds = 120 if parser.parse_args().quick else 600
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
    try:
        (folder / "catalog/tiny").mkdir(parents=True)
        (folder / "catalog/tiny/docker-compose.yml").write_text(COMPOSE)
        with mosaic_up(folder, folder / "catalog", driver=DRIVER):
            for number in range(APPS):
                mosaic(folder, "install", "tiny", "--name", f"tiny{number}")
            time.sleep(SETTLE_SECONDS)
            measure(folder / "state", window_seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(state: Path, window_seconds: int) -> None:
    """Look at both processes over the window."""
    pids = {name: int((state / "run" / f"{name}.pid").read_text().split()[0]) for name in ("device", "storage")}
    port = int((state / "hive/address").read_text().strip().rpartition(":")[2])
    before, began = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
    sent = bytes_sent(list(pids.values()), port, window_seconds)
    minutes = (time.monotonic() - began) / 60
    percent = {name: (cpu_seconds(pid) - before[name]) / (minutes * 60) * 100 for name, pid in pids.items()}
    total = sum(memory_mb(pid, "Rss") for pid in pids.values())
    report("device idle memory, Device and storage daemon", total, "MB", goal="value<=90")
    for name, pid in pids.items():
        report(f"device idle memory, {name}", memory_mb(pid, "Rss"), "MB", goal=None)
    shared = sum(memory_mb(pid, "Pss") for pid in pids.values())
    report("device idle memory, shared pages counted once", shared, "MB", goal=None)
    front = memory_mb(int((state / "run/front.pid").read_text().split()[0]), "Rss")
    report("device idle memory, its LAN front (Caddy)", front, "MB", goal=None)
    report("device idle processor, Device and storage daemon", sum(percent.values()), "% of a core", goal="value<=0.5")
    for name, share in percent.items():
        report(f"device idle processor, {name}", share, "% of a core", goal=None)
    report("device idle payload to the Hive", sent / minutes, "B/min", goal="value<=1000")


def bytes_sent(pids: list[int], port: int, seconds: int) -> int:
    """Return what these processes sent to that port on this machine, as the kernel counts it per connection."""
    began, first = time.monotonic(), None
    last: dict[str, int] = {}
    while time.monotonic() < began + seconds:
        seen = connections(pids, port)
        first = seen if first is None else first
        last |= seen
        time.sleep(2)
    return sum(count - (first or {}).get(one, 0) for one, count in last.items())


def connections(pids: list[int], port: int) -> dict[str, int]:
    """Return the bytes sent on each open connection, by its own address."""
    words = [
        "ss",
        "--tcp",
        "--info",
        "--processes",
        "--numeric",
        "--oneline",
        "state",
        "established",
        "dport",
        f"= :{port}",
    ]
    found = {}
    for line in run(words).splitlines():
        count = re.search(r"\bbytes_sent:(\d+)", line)
        if count and any(f"pid={pid}," in line for pid in pids):
            found[line.split()[2]] = int(count[1])
    return found


if __name__ == "__main__":
    main()
