"""What a program writes is kept small while it runs, and its last words can be read."""

import sys
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.child_log import KEPT_BYTES, MOST_BYTES, keep_small
from support.waiting import eventually

_WRITES = f"""
import sys
sys.stdout.write("x" * {MOST_BYTES} + "the end")
sys.stdout.flush()
sys.stdin = open(sys.argv[1])
sys.stdin.read()
print("later", flush=True)
"""


def test_a_log_that_has_grown_large_is_emptied_under_its_program(tmp_path: Path) -> None:
    log, bell = tmp_path / "program.log", tmp_path / "bell"
    process.run(["mkfifo", str(bell)], deadline_seconds=20)
    child = process.spawn([sys.executable, "-c", _WRITES, str(bell)], log=log)
    try:
        eventually(lambda: log.exists() and log.stat().st_size > MOST_BYTES)
        keep_small(log)
        assert log.read_bytes() == b""
        kept = (tmp_path / "program.log.1").read_bytes()
        assert len(kept) == KEPT_BYTES
        assert kept.endswith(b"the end")
        bell.write_bytes(b"")
        eventually(lambda: log.read_bytes() == b"later\n")
    finally:
        child.stop(10)


def test_a_small_log_and_none_stay_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    keep_small(log)
    assert not log.exists()
    log.write_bytes(b"x" * MOST_BYTES)
    keep_small(log)
    assert log.stat().st_size == MOST_BYTES


def test_a_log_is_emptied_also_where_nothing_can_be_kept_of_it(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    log.write_bytes(b"x" * (MOST_BYTES + 1))
    (tmp_path / "program.log.1").mkdir()
    keep_small(log)
    assert log.read_bytes() == b""
