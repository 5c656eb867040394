"""What every command promises: exit codes, one sentence and a hint, JSON, and a quick start."""

from collections.abc import Callable

import pytest

from cli.conftest import FakeHive, problem
from mosaic.cli.main import COMMANDS
from support.modules import modules_after
from support.ran import Ran

HEAVY = {"rich", "msgspec", "httpx2", "cryptography", "litestar", "anyio", "sqlalchemy", "docker", "ssl"}

Mosaic = Callable[..., Ran]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(mosaic: Mosaic, command: str) -> None:
    ran = mosaic(command, "--help")
    assert ran.code == 0
    assert "Usage: mosaic" in ran.stdout


def test_a_word_that_is_no_command_is_a_usage_error(mosaic: Mosaic) -> None:
    ran = mosaic("frobnicate")
    assert (ran.code, ran.stdout) == (2, "")
    assert "hint:" in ran.stderr


@pytest.mark.parametrize("words", [[], ["device"], ["trash"]])
def test_a_group_alone_shows_what_is_in_it(mosaic: Mosaic, words: list[str]) -> None:
    ran = mosaic(*words)
    assert ran.code == 2
    assert ran.stderr.startswith("Usage: mosaic")
    assert "error:" not in ran.stderr


def test_a_refusal_is_one_sentence_and_a_hint(mosaic: Mosaic) -> None:
    ran = mosaic("apps")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "error: this machine's command line is not logged in to a Hive",
        "hint: run `mosaic login URL`, or `mosaic up --demo` to start a Hive here",
    ]


def test_a_refusal_is_an_object_with_json(mosaic: Mosaic) -> None:
    ran = mosaic("apps", "--json")
    assert (ran.code, ran.stderr) == (1, "")
    assert isinstance(ran.value, dict)
    assert ran.value["error"]["code"] == "not-logged-in"


def test_the_hives_own_refusal_comes_through_word_for_word(mosaic: Mosaic, logged_in: FakeHive) -> None:
    logged_in.answers["POST /api/installations"] = (409, problem("device-unclear", "there are 2 devices", "name one"))
    ran = mosaic("install", "notes")
    assert (ran.code, ran.stderr) == (1, "error: there are 2 devices\nhint: name one\n")


def test_a_silent_hive_is_said_to_be_silent(mosaic: Mosaic, logged_in: FakeHive, config_folder: object) -> None:
    from mosaic.cli import credentials

    known = credentials.load()
    credentials.save(credentials.Credentials("http://127.0.0.1:9", "t", "a", "owner", known.hive_key))
    ran = mosaic("apps")
    assert ran.code == 1
    assert "does not answer" in ran.stderr


def test_help_imports_no_library_but_click() -> None:
    assert not HEAVY & modules_after("from mosaic.cli.main import run; run(['--help'])")


def test_the_supervisor_imports_no_library_but_click() -> None:
    assert not HEAVY & modules_after("from mosaic.cli.commands import up; from mosaic.cli.up import run")
