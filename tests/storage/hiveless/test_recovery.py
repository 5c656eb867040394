"""Coming back with little: the store and the recovery code, or the store and the key file and no Mosaic at all."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mosaic.adapters import process
from mosaic.cli.main import mosaic
from mosaic.device import machine_checks
from support.fake_engine import FakeEngine
from support.hiveless import SAVED, Machine

pytestmark = pytest.mark.btrfs

TOOLS = Path(__file__).parents[3] / "tools"


def ask(*words: object, fails: bool = False) -> str:
    """Type a command; return what it printed."""
    done = CliRunner().invoke(mosaic, ["storage", *map(str, words)], standalone_mode=False)
    assert (done.exception is not None) == fails, done.exception
    # Not `output`: the daemons of this process log to what stands for stderr meanwhile.
    return done.stdout if not fails else str(done.exception)


def test_a_volume_is_restored_on_another_machine_from_the_store_and_the_recovery_code(
    here: Machine, there: Machine, store: Path, tmp_path: Path
) -> None:
    here.made("other", store=store)
    here.saved_with("hello", store=store)
    here.save("other")
    waiting = here.state / "recovery" / "notes"
    assert (waiting.stat().st_mode & 0o777, waiting.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    code = ask("recovery", "notes", "--state", here.state).splitlines()[0]
    assert not waiting.exists()
    assert "each is shown once" in ask("recovery", "notes", "--state", here.state, fails=True)

    (tmp_path / "code").write_text(code.lower())
    said = ask("key-file", "--store", store, "--to", tmp_path / "key", "--code-file", tmp_path / "code")
    assert "-o take-over=yes" in said
    there.made(store=store, key_file=tmp_path / "key", take_over="yes")
    there.wait_for(SAVED)
    assert there.read() == "hello"


def test_a_recovery_code_of_another_volume_opens_nothing(here: Machine, store: Path, tmp_path: Path) -> None:
    here.saved_with("hello", store=store)
    (tmp_path / "elsewhere").mkdir()
    here.made("other", store=tmp_path / "elsewhere")
    (tmp_path / "code").write_text(ask("recovery", "other", "--state", here.state).splitlines()[0])
    said = ask("key-file", "--store", store, "--to", tmp_path / "key", "--code-file", tmp_path / "code", fails=True)
    assert "opens none of the 1 envelopes" in said
    assert not (tmp_path / "key").exists()


def test_the_store_and_the_key_file_are_enough_without_mosaic(here: Machine, store: Path, tmp_path: Path) -> None:
    made = here.saved_with("hello", store=store)
    options = ["--store", str(store / made.public_key), "--seed-file", made.key_file, "--to", str(tmp_path / "back")]
    process.run([sys.executable, str(TOOLS / "rescue.py"), *options], deadline_seconds=60)
    assert (tmp_path / "back" / "data" / "page").read_text() == "hello"


def test_the_store_and_the_recovery_code_are_enough_without_mosaic(here: Machine, store: Path, tmp_path: Path) -> None:
    made = here.saved_with("hello", store=store)
    (tmp_path / "code").write_text(ask("recovery", "notes", "--state", here.state).splitlines()[0])
    options = ["--code-file", str(tmp_path / "code"), "--seed-file", str(tmp_path / "seed")]
    folder = ["--store", str(store / made.public_key)]
    process.run([sys.executable, str(TOOLS / "recover_seed.py"), *folder, *options], deadline_seconds=60)
    assert (tmp_path / "seed").read_text() == Path(made.key_file).read_text()


def test_people_see_how_safe_each_volume_is_and_no_secret(
    here: Machine, store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "no volumes without a Hive" in ask("volumes", "--state", here.state)
    made = here.saved_with("hello", store=store)
    listed = ask("volumes", "--state", here.state)
    assert [word in listed for word in ("notes", made.public_key[:12], SAVED, str(store))] == [True] * 4
    status = here.status()
    assert {"public_key", "store", "state", "last_replicated", "bytes_waiting"} <= set(status)
    assert status["last_replicated"].endswith("Z")
    assert "no replica" in status["remark"]
    here.remove()
    assert "notes" in ask("trash", "list", "--state", here.state)
    assert "is back" in ask("trash", "restore", "notes", "--state", here.state)
    here.remove()
    assert "is deleted" in ask("trash", "delete", "notes", "--yes", "--state", here.state)
    assert "empty" in ask("trash", "list", "--state", here.state)
    seed = Path(made.key_file).read_text().strip()
    code = (here.state / "recovery" / "notes").read_text().strip()
    log = capfd.readouterr().err
    assert "recovery_code_waits" in log
    assert [secret in listed + str(status) + log for secret in (seed, code)] == [False, False]


def test_doctor_looks_at_volumes_that_need_no_hive_and_asks_for_none(
    here: Machine, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("mosaic.adapters.docker.engine.DockerEngine", lambda _: FakeEngine())
    monkeypatch.setattr(machine_checks, "check_driver", lambda *_: "found")
    (tmp_path / "mosaic").mkdir()
    (tmp_path / "mosaic" / "storage").symlink_to(here.state)
    here.saved_with("hello", store=store)
    said = CliRunner().invoke(mosaic, ["doctor", "--state", str(tmp_path / "mosaic")], standalone_mode=False)
    lines = said.stdout.splitlines()
    assert [line for line in lines if line.startswith("✓ own volumes: ") and "1 volume" in line], lines
    assert [line for line in lines if "Hive" in line or line.startswith("✗")] == []
