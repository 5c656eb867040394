"""`mosaic app keys`: the ceremony through the command line, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.ran import Ran

Mosaic = Callable[..., Ran]
PASSPHRASE = "correct horse battery staple again"


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "passphrase").write_text(PASSPHRASE + "\n")
    return "--repo", str(tmp_path / "public"), "--keys", str(tmp_path / "keys")


@pytest.fixture
def all_words(words: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    return *words, "--offline-keys", str(tmp_path / "drawer"), "--passphrase-file", str(tmp_path / "passphrase")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_ceremony_makes_a_repository_whose_roles_and_keys_are_shown(
    mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...], tmp_path: Path
) -> None:
    made = mosaic("app", "keys", "init", *all_words, "--json")
    assert (made.code, made.value["did"]) == (0, "init")
    assert Path(made.value["root"]).is_file()
    shown = mosaic("app", "keys", "status", *words)
    roles = [line.split()[0] for line in shown.stdout.splitlines()[1:]]
    assert set(roles) == {"root", "targets", "snapshot", "timestamp", "channel-stable"}
    assert mosaic("app", "keys", "refresh", *words).code == 0
    private = [path for folder in ("keys", "drawer") for path in (tmp_path / folder).iterdir() if path.suffix == ".key"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)


def test_keys_are_changed_added_and_renewed(mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...]) -> None:
    assert mosaic("app", "keys", "init", *all_words).code == 0
    for step in (("rotate", "channel-stable"), ("add", "channel-beta"), ("renew", "targets")):
        ran = mosaic("app", "keys", *step, *all_words)
        assert ran.code == 0, ran.stderr
    assert "channel-beta" in mosaic("app", "keys", "status", *words).stdout


def test_a_wrong_passphrase_is_refused_and_changes_nothing(
    mosaic: Mosaic, all_words: tuple[str, ...], tmp_path: Path
) -> None:
    assert mosaic("app", "keys", "init", *all_words).code == 0
    (tmp_path / "passphrase").write_text("another horse battery staple again\n")
    before = files(tmp_path)
    ran = mosaic("app", "keys", "rotate", "channel-stable", *all_words)
    assert ran.code == 1 and "passphrase" in ran.stderr
    assert "another horse" not in ran.stderr + ran.stdout
    assert files(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe"])
def test_a_passphrase_that_guards_nothing_makes_no_keys(
    mosaic: Mosaic, all_words: tuple[str, ...], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "passphrase").write_bytes(content)
    before = files(tmp_path)
    ran = mosaic("app", "keys", "init", *all_words)
    assert ran.code == 1 and "hint:" in ran.stderr
    assert {name for name in files(tmp_path) if not name.endswith("lock")} == set(before)


def test_without_a_terminal_a_passphrase_is_asked_for_in_a_file(mosaic: Mosaic, all_words: tuple[str, ...]) -> None:
    ran = mosaic("app", "keys", "init", *all_words[:-2])
    assert ran.code == 1 and "--passphrase-file" in ran.stderr


def test_a_repository_is_not_made_twice(mosaic: Mosaic, all_words: tuple[str, ...], tmp_path: Path) -> None:
    assert mosaic("app", "keys", "init", *all_words).code == 0
    before = files(tmp_path)
    assert mosaic("app", "keys", "init", *all_words).code == 1
    assert files(tmp_path) == before
