"""An engine that was killed leaves files that keep the next one from starting; setting up takes them away."""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters import process

LIB = Path(__file__).parents[2] / "script/lib"
FORGET = '. "$1/say.sh"; . "$1/engine.sh"; forget_dead_daemon containerd "$2"'


def test_the_number_of_a_live_containerd_is_kept(tmp_path: Path) -> None:
    with _process(tmp_path, "containerd") as pid:
        assert _is_kept(tmp_path / "containerd.pid", pid)


def test_a_number_that_another_process_got_since_is_forgotten(tmp_path: Path) -> None:
    with _process(tmp_path, "else") as pid:
        assert not _is_kept(tmp_path / "containerd.pid", pid)


def test_the_number_of_a_dead_process_that_nobody_asked_for_is_forgotten(tmp_path: Path) -> None:
    with _process(tmp_path, "containerd") as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{pid}/comm").read_text() == "containerd\n"

        assert not _is_kept(tmp_path / "containerd.pid", pid)


def test_the_number_of_no_process_is_forgotten(tmp_path: Path) -> None:
    with _process(tmp_path, "containerd") as pid:
        pass
    assert not _is_kept(tmp_path / "containerd.pid", pid)


@pytest.mark.parametrize("content", [b"", b"\n", b"../../etc", b"* x"])
def test_a_file_that_holds_no_number_is_forgotten(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "containerd.pid"
    file.write_bytes(content)

    _forget(file)

    assert not file.exists()


def test_where_there_is_no_file_nothing_happens(tmp_path: Path) -> None:
    _forget(tmp_path / "containerd.pid")


def test_the_answers_for_absent_drivers_end_with_the_set_up_that_started_them() -> None:
    started = '"$2" "$1/absent_drivers.py" >/dev/null & echo $!; read -r _'
    shell = subprocess.Popen(
        ["bash", "-c", started, "-", str(LIB), sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with shell, _number_printed_by(shell) as answers:
        shell.kill()
        ended, _, _ = select.select([answers], [], [], 20)
    assert ended


def _is_kept(file: Path, pid: int) -> bool:
    file.write_text(f"{pid}")
    _forget(file)
    return file.exists()


def _forget(file: Path) -> None:
    finished = process.run(["bash", "-euo", "pipefail", "-c", FORGET, "-", str(LIB), str(file)], deadline_seconds=60)
    assert not finished.stderr


@contextmanager
def _process(folder: Path, name: str) -> Iterator[int]:
    """A process of this name, which waits; it is asked how it ended only at the end."""
    program = folder / name
    shutil.copy("/bin/sleep", program)
    pid = os.posix_spawn(program, [name, "60"], {})
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def _number_printed_by(shell: subprocess.Popen[str]) -> Iterator[int]:
    """A descriptor that is readable once the process whose number the shell printed has ended."""
    assert shell.stdout is not None
    descriptor = os.pidfd_open(int(shell.stdout.readline()))
    try:
        yield descriptor
    finally:
        os.close(descriptor)
