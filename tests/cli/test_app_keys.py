"""`mosaic app keys`: the ceremony through the command line, and what it refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.cli import main
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


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository and its keys, made once: their owner's passphrase costs as much every time."""
    top = tmp_path_factory.mktemp("ceremony")
    (top / "passphrase").write_text(PASSPHRASE + "\n")
    where = ("--repo", str(top / "public"), "--keys", str(top / "keys"), "--offline-keys", str(top / "drawer"))
    assert main.run(["app", "keys", "init", *where, "--passphrase-file", str(top / "passphrase")]) == 0
    return top


@pytest.fixture
def held(ceremony: Path, tmp_path: Path) -> None:
    """The repository and its keys are where the command lines say."""
    shutil.copytree(ceremony, tmp_path, dirs_exist_ok=True)


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


@pytest.mark.usefixtures("held")
def test_keys_are_changed_added_and_renewed(mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...]) -> None:
    for step in (("rotate", "channel-stable"), ("add", "channel-beta"), ("renew", "targets")):
        ran = mosaic("app", "keys", *step, *all_words)
        assert ran.code == 0, ran.stderr
    assert "channel-beta" in mosaic("app", "keys", "status", *words).stdout


@pytest.mark.usefixtures("held")
def test_a_wrong_passphrase_is_refused_and_changes_nothing(
    mosaic: Mosaic, all_words: tuple[str, ...], tmp_path: Path
) -> None:
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


@pytest.mark.usefixtures("held")
def test_a_repository_is_not_made_twice(mosaic: Mosaic, all_words: tuple[str, ...], tmp_path: Path) -> None:
    before = files(tmp_path)
    assert mosaic("app", "keys", "init", *all_words).code == 1
    assert files(tmp_path) == before


@pytest.mark.usefixtures("held")
def test_how_long_is_good_what_is_signed_is_chosen_once_and_kept(
    mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...]
) -> None:
    usual = mosaic("app", "keys", "periods", *words, "--json").value
    assert usual["timestamp"] == 7 * 86400
    expires = expiry(mosaic, words)
    assert mosaic("app", "keys", "periods", *words, "--timestamp", "30d", "--channel", "36h").code == 0
    assert mosaic("app", "keys", "refresh", *words).code == 0
    later = expiry(mosaic, words)
    assert later["timestamp"] - expires["timestamp"] >= 23 * 86400 - 60
    chosen = mosaic("app", "keys", "periods", *words, "--json").value
    assert chosen == {**usual, "timestamp": 30 * 86400, "channel": 36 * 3600}
    assert "1.5 days" in mosaic("app", "keys", "periods", *words).stdout


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("given", ["30", "0d", "9999d", "week", "-1d", "59m"])
def test_a_period_that_is_none_is_refused(
    mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...], tmp_path: Path, given: str
) -> None:
    before = files(tmp_path)
    assert mosaic("app", "keys", "periods", *words, f"--timestamp={given}").code == 2
    assert files(tmp_path) == before


@pytest.mark.usefixtures("held")
def test_periods_that_nobody_wrote_are_said_and_nothing_is_signed_by_them(
    mosaic: Mosaic, words: tuple[str, ...], all_words: tuple[str, ...], tmp_path: Path
) -> None:
    for text in ("{", '{"timestamp": 1}', '{"timestamp": "long"}'):
        (tmp_path / "keys" / "periods.json").write_text(text)
        assert "mosaic app keys periods" in mosaic("app", "keys", "refresh", *words).stderr


def expiry(mosaic: Mosaic, words: tuple[str, ...]) -> dict[str, int]:
    return {one["role"]: one["expires_at"] for one in mosaic("app", "keys", "status", *words, "--json").value}
