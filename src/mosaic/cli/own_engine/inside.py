"""The first process in the container of a Device's own engine: `python3 -m mosaic.cli.own_engine.inside`.

It makes the container's control groups ready, starts the engine, leads the
ports that were lent, and ends with the engine. Standard library only.
"""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from mosaic.adapters import process
from mosaic.cli.own_engine.ports import LentPorts
from mosaic.core import engine_container

_MOUNT_SECONDS = 30.0
_GROUPS = Path("/sys/fs/cgroup")


def main(words: list[str]) -> int:
    """Run until told to end, and return the engine's exit code."""
    if len(words) != 2 or words[0] != "--folder":
        print("usage: inside --folder FOLDER", file=sys.stderr)
        return 2
    for argv in engine_container.remounts(Path("/proc/self/mounts").read_text()):
        process.run(argv, deadline_seconds=_MOUNT_SECONDS)
    divide_groups(_GROUPS, os.getpid())
    return asyncio.run(_serve(words[1]))


def divide_groups(groups: Path, pid: int) -> None:
    """Hand the controllers of a unified hierarchy on. A group that does so may hold no process, so we move below."""
    available = groups / "cgroup.controllers"
    if not available.exists():
        return
    own = groups / "engine"
    own.mkdir(exist_ok=True)
    (own / "cgroup.procs").write_text(str(pid))
    (groups / "cgroup.subtree_control").write_text(engine_container.enabled_controllers(available.read_text()))


async def _serve(folder: str) -> int:
    loop = asyncio.get_running_loop()
    engine = process.spawn(engine_container.daemon(folder))
    ended = asyncio.Event()

    def reap() -> None:
        # What the apps' containers leave behind comes to the first process of its namespace: us.
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid == engine.pid:
                    ended.set()
                    return
                os.waitpid(found.si_pid, 0)

    def stop() -> None:
        # The engine alone: it ends its containers by what runs beside it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine.pid, signal.SIGTERM)

    loop.add_signal_handler(signal.SIGCHLD, reap)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    reap()
    leading = asyncio.create_task(LentPorts().serve(Path(engine_container.ports_path(folder))))
    await ended.wait()
    leading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await leading
    return engine.wait(_MOUNT_SECONDS) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
