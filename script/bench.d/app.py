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
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from results.line import report

ROOT = Path(__file__).resolve().parents[2]
MOSAIC = [sys.executable, "-m", "mosaic.cli.main"]
DRIVER = "mosaic-bench"
IDLE_SECONDS = 60
# Until what the installation wrote is replicated, and the database has come to rest.
SETTLE_SECONDS = 75
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure everything and print one JSON object a line."""
    parser = argparse.ArgumentParser(description="What Mosaic costs.")
    parser.add_argument("--quick", action="store_true", help="medians of 3 instead of 5")
    # Stopped from outside it takes down what it started all the same.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    rounds = 3 if parser.parse_args().quick else 5
    folder = Path(tempfile.mkdtemp(prefix="mosaic-bench-"))
    try:
        with mosaic_up(folder) as up:
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
    before, began = cpu_seconds(supervisor), time.monotonic()
    time.sleep(IDLE_SECONDS)
    percent = 100 * (cpu_seconds(supervisor) - before) / (time.monotonic() - began)
    rss = sum(memory_kib(pid, "Rss") for pid in tree(supervisor)) * 1024 / 1e6
    pss = sum(memory_kib(pid, "Pss") for pid in tree(supervisor)) * 1024 / 1e6
    report("app idle memory", rss, "MB", goal="value<=250")
    report("app idle memory, shared pages counted once", pss, "MB", goal=None)
    report("app idle processor", percent, "% of a core", goal="value<=1")
    for pid in tree(supervisor):
        print(f"  {memory_kib(pid, 'Rss') / 1000:6.1f} MB  {command(pid)}", file=sys.stderr)


@contextlib.contextmanager
def mosaic_up(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`mosaic up --demo` with the sample app running; uninstalled at the end, data and all."""
    welcome, log = folder / "welcome.json", folder / "up.log"
    words = [*MOSAIC, "up", "--demo", "--json", "--state", str(folder / "state"), "--driver", DRIVER]
    with welcome.open("wb") as out, log.open("wb") as err:
        up = subprocess.Popen([*words, "--catalog", str(ROOT / "examples")], stdout=out, stderr=err, env=env(folder))
    try:
        until(lambda: up.poll() is not None or welcome.stat().st_size > 0, 180)
        if up.poll() is not None:
            sys.exit(f"mosaic up ended: {log.read_text()[-2000:]}")
        yield up
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(150)
        run([*MOSAIC, "up", "--uninstall", "--delete-data", "--state", str(folder / "state")], folder)


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


def mosaic(folder: Path, *words: str) -> str:
    """Run one command of this benchmark's own Mosaic."""
    return run([*MOSAIC, *words, "--json"], folder)


def run(words: list[str], folder: Path | None = None) -> str:
    """Run a program to its end and return what it printed."""
    environment = None if folder is None else env(folder)
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def env(folder: Path) -> dict[str, str]:
    """Return an environment whose command line is logged in to this benchmark's Hive only."""
    return {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds some work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:g} s in vain")
        time.sleep(0.1)


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds(root: int) -> float:
    """Return the processor time of a tree, that of its ended children included."""
    total = 0
    for pid in tree(root):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def memory_kib(pid: int, kind: str) -> int:
    """Return a process's resident or proportional memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1])
    return 0


def command(pid: int) -> str:
    """Return what a process is, shortly."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return " ".join(words[:5])


if __name__ == "__main__":
    main()
