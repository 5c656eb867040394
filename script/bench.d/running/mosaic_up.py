"""A whole Mosaic of a benchmark's own: `mosaic up --demo`, and the commands of its owner."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MOSAIC = [sys.executable, "-m", "mosaic.cli.main"]


@contextlib.contextmanager
def mosaic_up(folder: Path, catalog: Path, *, driver: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run it with its state in `folder`/state; uninstalled at the end, data and all."""
    welcome, log = folder / "welcome.json", folder / "up.log"
    words = [*MOSAIC, "up", "--demo", "--json", "--state", str(folder / "state"), "--driver", driver]
    with welcome.open("wb") as out, log.open("wb") as err:
        up = subprocess.Popen([*words, "--catalog", str(catalog)], stdout=out, stderr=err, env=_env(folder))
    try:
        until(lambda: up.poll() is not None or welcome.stat().st_size > 0, 180)
        if up.poll() is not None:
            sys.exit(f"mosaic up ended: {welcome.read_text()}{log.read_text()[-2000:]}")
        yield up
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(300)
        run([*MOSAIC, "up", "--uninstall", "--delete-data", "--state", str(folder / "state")], folder)


def mosaic(folder: Path, *words: str) -> str:
    """Run one command of this benchmark's own Mosaic."""
    return run([*MOSAIC, *words, "--json"], folder)


def run(words: list[str], folder: Path | None = None) -> str:
    """Run a program to its end and return what it printed. With `folder` it is logged in to the Hive there only."""
    environment = None if folder is None else _env(folder)
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:g} s in vain")
        time.sleep(0.1)


def _env(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
