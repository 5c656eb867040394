"""A Docker engine of the test's own, that may be stopped, killed and started: the machine's runs everybody's tests."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.adapters import process
from support.at_engine import BASE
from support.waiting import eventually

_START_SECONDS = 60


class OwnEngine:
    """An engine whose everything lies in `folder`. It has no networks; its containers have none.

    `apart`: it looks for drivers in `plugins` and `specs` below, and not where the machine's engine does.
    """

    def __init__(self, folder: Path, *, apart: bool = False) -> None:
        self._folder = folder
        self._apart = apart
        self.plugins, self.specs = folder / "plugins", folder / "specs"
        self._socket = folder / "engine.sock"
        self._log = folder / "log"
        self._child: process.Child | None = None

    def start(self) -> None:
        """Start it, and wait until it answers and has started what it should."""
        words = [
            # Without a namespace of its own it would take the machine's bridge away from the machine's engine.
            "unshare", "--net", *self._elsewhere(), "dockerd",
            "--host", f"unix://{self._socket}", "--pidfile", f"{self._folder}/pid",
            "--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/run",
            "--bridge", "none", "--iptables=false", "--ip-forward=false",
        ]  # fmt: skip
        env = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        self._child = process.spawn(words, log=self._log, env=env)
        eventually(self._answers, seconds=_START_SECONDS, seen=lambda: self._log.read_text()[-2000:])

    def stop(self) -> None:
        """Stop it as an upgrade would: its containers stop, too."""
        assert self._child is not None
        self._child.stop(30)
        self._child = None

    def kill(self) -> None:
        """Kill it alone; its containers go on."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait(60)
        self._child = None
        # Its containerd dies with it. Where nobody asks how it ended, its number is still one of a process.
        (self._folder / "run/containerd/containerd.pid").unlink(missing_ok=True)

    def _elsewhere(self) -> list[str]:
        if not self._apart:
            return []
        script = (
            "set -e; for one in /run/docker /etc/docker; do mount -t tmpfs none $one; mkdir $one/plugins; done; "
            'mount --bind "$0/plugins" /run/docker/plugins; mount --bind "$0/specs" /etc/docker/plugins; exec "$@"'
        )
        for folder in (self.plugins, self.specs):
            folder.mkdir(exist_ok=True)
        return ["--mount", "--propagation", "slave", "sh", "-c", script, str(self._folder)]

    def said(self) -> str:
        """Return its whole log."""
        return self._log.read_text()

    @property
    def address(self) -> str:
        """Where it answers, as a Device names engines."""
        return f"unix://{self._socket}"

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Stop it in the middle of everything, as a disk that does not answer would, and let it go on."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGSTOP)
        try:
            # One thread after the other stops, each when it comes back from what it asked of the kernel.
            threads = Path(f"/proc/{self._child.pid}/task")
            eventually(lambda: all(_state(thread) in (None, "T") for thread in threads.iterdir()))
            yield
        finally:
            os.kill(self._child.pid, signal.SIGCONT)

    def lose_power(self) -> None:
        """Kill it with all that it started, and leave nothing mounted."""
        inits = [int(self("inspect", "--format", "{{.State.Pid}}", one)) for one in self("ps", "--quiet").split()]
        self.kill()
        self._kill([*self._shims(), *inits])
        unmount_beneath(self._folder)
        # It is in memory on a real machine.
        shutil.rmtree(self._folder / "run")

    def __call__(self, *words: str, fails: bool = False) -> str:
        """Run its client, which must succeed, or fail, and return what it said."""
        done = subprocess.run(
            ["docker", "--host", f"unix://{self._socket}", *words], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    def close(self) -> None:
        """End it, and what it left."""
        if self._child is not None and self._answers():
            for one in self("ps", "--all", "--quiet").split():
                self("rm", "--force", one)
        if self._child is not None:
            self.stop()
        self._kill(self._shims())
        unmount_beneath(self._folder)

    def _kill(self, pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(is_alive(pid) for pid in pids))

    def _answers(self) -> bool:
        asked = subprocess.run(
            ["docker", "--host", f"unix://{self._socket}", "info"], capture_output=True, timeout=30, check=False
        )
        return asked.returncode == 0

    def _shims(self) -> list[int]:
        """Return the processes that hold its containers."""
        mine = os.fsencode(str(self._folder))
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if words.startswith(b"/") and b"containerd-shim" in words.split(b"\0")[0] and mine in words:
                    found.append(int(folder.name))
        return found


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody asked how it ended does not."""
    return _state(Path(f"/proc/{pid}")) not in (None, "Z")


def _state(process: Path) -> str | None:
    """Return the letter by which the kernel says what a process or thread does (proc(5)), None when it is gone."""
    with contextlib.suppress(OSError):
        return (process / "stat").read_text().rpartition(")")[2].split()[0]
    return None


@contextmanager
def own_engine(*, apart: bool = False) -> Iterator[OwnEngine]:
    """Yield an engine that runs, and has the base image."""
    # Sockets need a short path, and layers a disk.
    folder = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    engine = OwnEngine(folder, apart=apart)
    try:
        engine.start()
        image = folder / "base.tar"
        subprocess.run(["docker", "save", "--output", str(image), BASE], timeout=60, check=True)
        engine("load", "--input", str(image))
        image.unlink()
        yield engine
    finally:
        engine.close()
        shutil.rmtree(folder)


def unmount_beneath(folder: Path) -> None:
    """Unmount everything that is mounted in a folder, the innermost first."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([place for place in places if place.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", place], timeout=30, check=True)
