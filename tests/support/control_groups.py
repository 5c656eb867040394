"""Processes in control groups of their own, on whichever versions this machine has."""

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import freezer
from support.waiting import eventually


@contextlib.contextmanager
def control_group(version: str) -> Iterator[Path]:
    """Make a control group of the version `first` or `second`, or of the one that there is."""
    tops = freezer.mounted()
    top = tops.first if version == "first" else tops.second
    top = top or tops.first or tops.second
    if top is None:
        pytest.skip("no control groups here that could be frozen")
    folder = top / f"mosaic-test-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:

        def removed() -> bool:
            with contextlib.suppress(OSError):
                folder.rmdir()
            return not folder.exists()

        eventually(removed)


class Sleeper:
    """A process in a control group. Use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        (folder / "cgroup.procs").write_text(str(self.process.pid))
        found = freezer.group_of(self.process.pid)
        assert found is not None
        self.group = found

    @property
    def is_held(self) -> bool:
        """Whether the kernel says that the group is held still."""
        return self.group.is_frozen()

    def __enter__(self) -> "Sleeper":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.group.switch.write_text(self.group.thaw)
        self.process.wait()
