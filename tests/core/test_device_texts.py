"""What a person pastes starts the same container whichever way, with the values that were meant."""

import itertools
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.test_quoting import nasty, read_environment_file
from mosaic.core import device_container, device_texts, quoting
from mosaic.core.device_container import Chosen, run_words
from mosaic.core.device_texts import FORMS, GIVINGS, Form, Giving, NobodyToAsk

IMAGE = device_container.image_of("1.0")
POSSIBLE = [(form, giving) for form, ways in device_texts.all_texts(IMAGE).items() for giving in ways]
NAMES = ("MOSAIC_JOIN", "MOSAIC_NAME", "MOSAIC_PASSPHRASE")


def filled(form: Form, giving: Giving, *values: str | None) -> str:
    made = device_texts.text(form, giving, IMAGE)
    return quoting.fill(made.text, dict(zip(("token", "name", "passphrase"), values, strict=True)), made.quote_with)


def in_a_shell(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the assignments and the command that a shell reads."""
    words = shlex.split(text.replace("\\\n", " "))
    first = next(at for at, word in enumerate(words) if not word.startswith("MOSAIC_"))
    return dict(word.split("=", 1) for word in words[:first]), words[first:]


@pytest.mark.parametrize(("form", "giving"), POSSIBLE)
def test_a_text_has_places_for_secrets_and_no_secret(form: Form, giving: Giving) -> None:
    made = device_texts.text(form, giving, IMAGE)
    assert set(quoting.MARK.findall(made.text)) == {"token", "name", "passphrase"}
    assert "⟨" not in filled(form, giving, "mosaic-join-1.abc", None, None)


@pytest.mark.parametrize(("form", "giving"), POSSIBLE)
def test_isolated_mode_is_one_flag_more(form: Form, giving: Giving) -> None:
    usual, isolated = (device_texts.text(form, giving, IMAGE, own_engine=own).text for own in (False, True))
    assert "--own-engine" not in usual
    assert "MOSAIC_ENGINE" not in usual
    assert ("--own-engine" if form == "command" else "MOSAIC_ENGINE=own") in isolated
    assert ("NET_BIND_SERVICE" in isolated) == (form != "command")
    assert isolated == device_texts.all_texts(IMAGE, own_engine=True)[form][giving].text


@given(nasty, nasty, st.sampled_from(GIVINGS))
def test_the_line_gives_the_values_to_one_command_and_not_as_its_words(
    name: str, passphrase: str, giving: Giving
) -> None:
    read, command = in_a_shell(filled("docker", giving, "mosaic-join-1.abc", name, passphrase))
    assert read == dict(zip(NAMES, ("mosaic-join-1.abc", name, passphrase), strict=True))
    file = device_texts.PASSPHRASE_AT if giving == "file" else None
    chosen = Chosen(IMAGE, passphrase_file=file, passed=NAMES)
    assert command == run_words(device_container.device(chosen), terminal=giving == "asked")


def test_a_real_shell_reads_what_was_meant(tmp_path: Path) -> None:
    name, passphrase = """a'b "c" $HOME `id` \\ !x""", "$(touch pwned); &|<>*?[~#é漢"
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$MOSAIC_JOIN" "$MOSAIC_NAME" "$MOSAIC_PASSPHRASE"\n')
    docker.chmod(0o755)
    script = filled("docker", "line", "mosaic-join-1.abc", name, passphrase)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    for shell in filter(None, map(shutil.which, ("sh", "bash"))):
        printed = subprocess.run([shell, "-c", script], env=path, capture_output=True, cwd=tmp_path, check=True)
        assert printed.stdout.decode().splitlines() == ["mosaic-join-1.abc", name, passphrase]
    assert [file.name for file in tmp_path.iterdir()] == ["docker"]


def test_the_line_breaks_between_options_only() -> None:
    text = filled("docker", "line", "t", "attic", "p")
    assert [line for line in text.split("\n")[:-1] if not line.endswith(" \\")] == []
    assert max(map(len, text.split("\n"))) <= 104


@given(nasty, nasty)
def test_compose_reads_the_values_that_were_meant(name: str, passphrase: str) -> None:
    read = yaml.safe_load(filled("compose", "line", "mosaic-join-1.abc", name, passphrase))
    (service,) = read["services"].values()
    said = dict(entry.split("=", 1) for entry in service["environment"])
    assert {key: value.replace("$$", "$") for key, value in said.items()} == dict(
        zip(NAMES, ("mosaic-join-1.abc", name, passphrase), strict=True)
    )


@given(nasty, nasty)
def test_the_unit_has_no_value_and_the_file_beside_it_all_of_them(name: str, passphrase: str) -> None:
    text = filled("systemd", "line", "mosaic-join-1.abc", name, passphrase)
    environment, unit = re.findall(r"<<'END'\n(.*?)\nEND\n", text, re.DOTALL)
    assert read_environment_file(environment) == dict(zip(NAMES, ("mosaic-join-1.abc", name, passphrase), strict=True))
    assert unit == re.findall(r"<<'END'\n(.*?)\nEND\n", filled("systemd", "line", "t", "n", "p"), re.DOTALL)[1]
    assert "mosaic.service" in text and "install -m 600 /dev/stdin /etc/mosaic/device.env" in text


def test_what_writes_the_secrets_begins_with_a_space_for_shells_that_keep_such_commands_out_of_their_history() -> None:
    written = filled("systemd", "line", "t", "n", "p").split("<<'END'")[0]
    assert written.split("\n")[-1].startswith(" install -m 600 ")


@given(nasty, nasty)
def test_a_host_install_is_started_by_todays_line(name: str, passphrase: str) -> None:
    read, command = in_a_shell(filled("command", "line", "mosaic-join-1.abc", name, passphrase))
    assert (read["MOSAIC_NAME"], read["MOSAIC_PASSPHRASE"]) == (name, passphrase)
    assert command == ["mosaic", "device", "run"]


@pytest.mark.parametrize(("form", "giving"), POSSIBLE)
def test_what_was_not_said_is_not_in_the_text(form: Form, giving: Giving) -> None:
    text = filled(form, giving, "mosaic-join-1.abc", None, None)
    for name in ("MOSAIC_NAME", "MOSAIC_PASSPHRASE"):
        assert not re.search(rf"{name}\W?=", text.replace("--env", ""))


@pytest.mark.parametrize("form", FORMS)
def test_the_passphrase_of_a_file_is_read_where_the_text_says(form: Form) -> None:
    assert device_texts.PASSPHRASE_AT in filled(form, "file", "t", None, None)


def test_a_terminal_is_there_exactly_where_somebody_is_asked() -> None:
    shown = {giving: "--interactive --tty" in filled("docker", giving, "t", None, None) for giving in GIVINGS}
    assert shown == {"asked": True, "file": False, "line": False, "owner": False}


@pytest.mark.parametrize(("form", "giving"), sorted(set(itertools.product(FORMS, GIVINGS)) - set(POSSIBLE)))
def test_what_has_no_terminal_says_that_it_cannot_ask(form: Form, giving: Giving) -> None:
    with pytest.raises(NobodyToAsk, match=form):
        device_texts.text(form, giving, IMAGE)
