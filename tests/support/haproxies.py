"""HAProxies of tests' own: a folder, free ports, and a process that ends with the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mosaic.adapters.haproxy import program
from mosaic.adapters.haproxy.configuration import Settings
from mosaic.adapters.haproxy.router import HaproxyRouter
from mosaic.adapters.haproxy.running import HaproxyProcess, settings_here
from support.unshared import free_port

HOST = "127.0.0.1"


def lacks() -> str | None:
    """Say what is missing for these tests."""
    return None if shutil.which(program.PROGRAM, path=f"{os.environ['PATH']}:/usr/sbin") else "HAProxy is not installed"


@dataclass
class OneHaproxy:
    """A HAProxy in a folder of its own, with a Router to it."""

    folder: Path
    settings: Settings
    process: HaproxyProcess = field(init=False)
    router: HaproxyRouter = field(init=False)

    def __post_init__(self) -> None:
        self.process = HaproxyProcess(self.folder)
        self.router = HaproxyRouter(self.folder)

    @property
    def tls(self) -> tuple[str, int]:
        return self.settings.tls[0]

    @property
    def plain(self) -> tuple[str, int]:
        return self.settings.plain[0]

    def start(self) -> None:
        """Have it run, and answer."""
        self.process.start(self.settings)

    def pid(self) -> int:
        """Return the number of the process that answers."""
        found = self.process.pid
        assert found is not None
        return found

    def descriptors(self) -> int:
        """Count what its process has open."""
        return len(list(Path(f"/proc/{self.pid()}/fd").iterdir()))


@contextmanager
def haproxy() -> Iterator[OneHaproxy]:
    """Yield one that runs, with the usual settings."""
    # A UNIX socket's path may have 107 characters, and pytest's folders are deep.
    with TemporaryDirectory(prefix="m-ha-") as folder:
        one = OneHaproxy(Path(folder), settings_here([(HOST, free_port())], [(HOST, free_port())]))
        one.start()
        try:
            yield one
        finally:
            one.process.stop()
