#!/usr/bin/env python3
"""What Mosaic costs: installing an app, and being there while nothing happens.

install   The sample app from `mosaic install` to its end, against `docker
          compose up --detach --wait` of the very file that the Device had
          rendered for it, with plain local volumes on a btrfs image of its
          own. Both sides start with all images present and with empty volumes,
          alternate, and are taken away in between. Mosaic's side includes the
          command line, the Hive, keys, volumes, policy and the health gate.
idle      All processes of `mosaic up` with the sample app installed (the
          supervisor, the Hive, the storage daemon, the Device, its Caddy; not
          the app's containers): resident memory added up, and processor time
          over a minute in which nobody asks for anything.

Needs root and a Docker engine with the sample app's images. Leaves nothing.
"""

import argparse
import contextlib
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from results.line import report
from running.mosaic_up import mosaic, mosaic_up, run, until
from running.processes import cpu_seconds_of_tree, memory_mb, tree

ROOT = Path(__file__).resolve().parents[2]
DRIVER = "mosaic-bench"
IDLE_SECONDS = 60
# Until what the installation wrote is replicated, and the database has come to rest.
SETTLE_SECONDS = 75


def main() -> None:
    """Measure everything and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What Mosaic costs.")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5")
    # Stopped from outside it takes down what it started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    rounds = 3 if parser.parse_args().quick else 5
    folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
    try:
        with mosaic_up(folder, ROOT / "examples", driver=DRIVER) as up:
            measure_idle(up.pid)
            uninstall(folder, "notes")
            measure_install(folder, rounds)
    finally:
        # The pool is unmounted by now; without this a failure would leave gigabytes behind.
        shutil.rmtree(folder, ignore_errors=True)


def measure_install(folder: Path, rounds: int) -> None:
    """Alternate both sides, so that a slower minute of the machine hits both."""
    ours, theirs = [], []
    with plain_pool(folder / "plain") as pool:
        for number in range(rounds):
            name = f"bench{number}"
            ours.append(timed(lambda name=name: mosaic(folder, "install", "notes", "--name", name)))
            rendered = newest_rendered(folder)
            uninstall(folder, name)
            theirs.append(time_plain(rendered, pool / str(number), folder))
    value, anchor = statistics.median(ours), statistics.median(theirs)
    report("app install", value, "s", goal="ratio<=1.25", anchor="docker compose up --wait, plain volumes on btrfs",
           anchor_value=anchor)  # fmt: skip


def time_plain(rendered: dict[str, object], pool: Path, folder: Path) -> float:
    """Bring the same file up without Mosaic, and take it away again."""
    file = folder / "plain.json"
    file.write_text(json.dumps(with_plain_volumes(rendered, pool)))
    words = ["docker", "compose", "--project-name", "mosaic-bench-plain", "--file", str(file)]
    try:
        return timed(lambda: run([*words, "up", "--detach", "--wait"]))
    finally:
        run([*words, "down", "--volumes", "--timeout", "10"])


def with_plain_volumes(rendered: dict[str, object], pool: Path) -> dict[str, object]:
    """Return the file with a folder of the pool in place of each Mosaic volume, and nothing else changed."""
    plain = json.loads(json.dumps(rendered))
    plain["name"] = "mosaic-bench-plain"
    for name in plain["volumes"]:
        (pool / name).mkdir(parents=True)
        options = {"type": "none", "o": "bind", "device": str(pool / name)}
        plain["volumes"][name] = {"driver": "local", "driver_opts": options}
    return plain


def measure_idle(supervisor: int) -> None:
    """Look at all processes of `mosaic up` over a minute."""
    time.sleep(SETTLE_SECONDS)
    before, began = cpu_seconds_of_tree(supervisor), time.monotonic()
    time.sleep(IDLE_SECONDS)
    percent = 100 * (cpu_seconds_of_tree(supervisor) - before) / (time.monotonic() - began)
    rss = sum(memory_mb(pid, "Rss") for pid in tree(supervisor))
    pss = sum(memory_mb(pid, "Pss") for pid in tree(supervisor))
    report("app idle memory", rss, "MB", goal="value<=250")
    report("app idle memory, shared pages counted once", pss, "MB", goal=None)
    report("app idle processor", percent, "% of a core", goal="value<=1")
    for pid in tree(supervisor):
        print(f"  {memory_mb(pid, 'Rss'):6.1f} MB  {command(pid)}", file=sys.stderr)


@contextlib.contextmanager
def plain_pool(folder: Path) -> Iterator[Path]:
    """A btrfs image as Mosaic makes one for its own pool."""
    from mosaic.adapters import loop

    folder.mkdir()
    image, mountpoint = folder / "pool.img", folder / "pool"
    loop.open_image(image, mountpoint, size_bytes=4 * 1024**3)
    try:
        yield mountpoint
    finally:
        loop.close_image(image, mountpoint)


def newest_rendered(folder: Path) -> dict[str, object]:
    """Return the compose file that the Device rendered last."""
    files = sorted((folder / "state/device/projects").glob("*/compose.json"), key=lambda file: file.stat().st_mtime)
    rendered: dict[str, object] = json.loads(files[-1].read_text())
    return rendered


def uninstall(folder: Path, name: str) -> None:
    """Uninstall, and wait until its containers are gone."""
    installation = json.loads(mosaic(folder, "show", name))["installation"]
    mosaic(folder, "uninstall", name, "--yes")
    label = f"label=mosaic.installation={installation}"
    until(lambda: not run(["docker", "ps", "--all", "--quiet", "--filter", label]).strip(), 90)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def command(pid: int) -> str:
    """Return what a process is, shortly."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join(words[:5])


if __name__ == "__main__":
    main()
