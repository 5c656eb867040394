"""The ledger: what was written is there, whole or not at all."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters.ledger import Ledger, LedgerUnreadable


class Note(msgspec.Struct, frozen=True):
    text: str
    seq: int = 0


def test_what_was_put_is_found_by_the_next_process(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.bucket("notes", Note).put("a", Note("hello", 3))
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.bucket("notes", Note).get("a") == Note("hello", 3)
        assert ledger.bucket("notes", Note).get("b") is None
        assert ledger.bucket("others", Note).items() == {}


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    notes = ledger.bucket("notes", Note)
    notes.put("kept", Note("kept"))
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        notes.delete("kept")
        notes.put("new", Note("new"))
        raise ZeroDivisionError
    assert notes.items() == {"kept": Note("kept")}
    ledger.close()


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.bucket("notes", Note).put("a", Note("secret"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    ledger.close()


def test_a_damaged_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database, and never was one" * 100)
    with pytest.raises(LedgerUnreadable, match="cannot be read"):
        Ledger(path)
    assert path.read_bytes().startswith(b"this is not")


def test_an_entry_of_another_shape_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.bucket("notes", dict).put("a", {"wrong": "hunter2"})
        with pytest.raises(LedgerUnreadable) as caught:
            ledger.bucket("notes", Note).get("a")
    assert "hunter2" not in str(caught.value)


WRITER = """
import sys
from pathlib import Path
from mosaic.adapters.ledger import Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    pairs = ledger.bucket("pairs", int)
    n = pairs.get("left") or 0
    print("ready", n, flush=True)
    while True:
        n += 1
        with ledger.transaction():
            pairs.put("left", n)
            pairs.put("right", n)
        print(n, flush=True)
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for lines in random.Random(2).sample(range(1, 60), 8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines + 1)]
        writer.send_signal(signal.SIGKILL)
        writer.stdout.close()
        writer.wait(60)
        with Ledger(path) as ledger:
            pairs = ledger.bucket("pairs", int)
            left = pairs.get("left")
            assert left is not None
            assert left == pairs.get("right")
            assert left >= int(said[-1])
