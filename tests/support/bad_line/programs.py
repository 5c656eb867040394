"""Starting the two programs of a bad line's ends as processes that can be killed."""

import os
import signal
import sys
from pathlib import Path

from mosaic.adapters import process


def spawn(name: str, folder: Path, *words: str, log: Path) -> process.Child:
    """Start `main` of the module of that name here, in the network of the thread that calls."""
    program = f"import sys; from support.bad_line.{name} import main; main(*sys.argv[1:])"
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return process.spawn([sys.executable, "-c", program, str(folder), *words], env=env, log=log)


def kill(child: process.Child) -> None:
    """Kill it with SIGKILL."""
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(60) is not None
