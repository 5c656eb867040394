"""A file is held by one process at a time, and by nobody after that one has ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.adapters import lock_file
from mosaic.core.errors import Refused

HOLDER = """\
import sys
from pathlib import Path
from mosaic.adapters import lock_file
held = lock_file.take(Path(sys.argv[1]))
print("has it" if held is not None else "has it not", flush=True)
sys.stdin.read()
"""


class Taken(Refused):
    code = "taken"

    def __init__(self) -> None:
        super().__init__("somebody has it", hint="wait")


def test_what_another_process_holds_is_refused_until_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    words = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "has it\n"
        assert lock_file.take(file) is None
        with pytest.raises(Taken), lock_file.held(file, Taken):
            pass
        other.kill()
        other.wait(60)
        with lock_file.held(file, Taken):
            assert lock_file.take(file) is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_was_let_go_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        descriptor = lock_file.take(tmp_path / "lock")
        assert descriptor is not None
        os.close(descriptor)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock_file.take(tmp_path / "missing/lock")
