"""`mosaic device add` prints what starts a Device as it was meant, and the Hive sees none of its secrets."""

import json
import re
import shlex
from collections.abc import Callable

import msgspec
import pytest
import yaml

from cli.conftest import FakeHive
from mosaic.core import device_texts
from mosaic.crypto import admission
from mosaic.crypto.account import Made
from mosaic.wire import enrol
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.enrol import DeviceImage
from support.ran import Ran
from support.running_hive import PASSPHRASE

Mosaic = Callable[..., Ran]
IMAGE = "registry.example/device:9"


@pytest.fixture
def adding(with_keys: FakeHive) -> FakeHive:
    """A Hive that takes join tokens."""
    with_keys.answers["POST /api/devices/join-tokens"] = (201, None)
    with_keys.answers["GET /api/device-image"] = DeviceImage(IMAGE)
    return with_keys


def said_in(text: str) -> dict[str, str]:
    """Return what a shell puts into the environment of the command."""
    words = [word for word in shlex.split(text.replace("\\\n", " ")) if re.match("MOSAIC_[A-Z]+=", word)]
    return dict(word.split("=", 1) for word in words)


def test_the_line_has_a_token_that_the_owner_signed_and_the_hive_never_saw(
    mosaic: Mosaic, adding: FakeHive, made: Made, words_file: str
) -> None:
    ran = mosaic("device", "add", "--name", "attic", "--passphrase-file", words_file, "--json")
    assert ran.code == 0, ran.stderr
    token = enrol.read(ran.value["join_token"])
    assert token.hive_fingerprint == adding.fingerprint
    assert token.secret not in json.dumps(adding.asked)
    signed = msgspec.convert(adding.asked[-1][1]["admission"], OwnerAdmission)
    admission.check(signed, owner_key=made.opened.owner_key, account="account")

    said = said_in(ran.value["command"])
    assert said == {"MOSAIC_JOIN": ran.value["join_token"], "MOSAIC_NAME": "attic"}
    assert "docker run --interactive --tty" in ran.value["command"]
    assert ran.value["command"].endswith(f" {IMAGE}")


def test_with_the_passphrase_in_it_the_line_says_what_that_means_and_the_hive_is_not_told(
    mosaic: Mosaic, adding: FakeHive, words_file: str
) -> None:
    ran = mosaic("device", "add", "--passphrase-by", "line", "--passphrase-file", words_file)
    assert ran.code == 0, ran.stderr
    assert said_in(ran.stdout.split("\n\n")[1])["MOSAIC_PASSPHRASE"] == PASSPHRASE
    assert "treat it as a secret" in ran.stdout
    assert PASSPHRASE not in json.dumps(adding.asked)


def test_isolated_mode_is_asked_for_in_what_is_pasted(mosaic: Mosaic, adding: FakeHive, words_file: str) -> None:
    ran = mosaic("device", "add", "--own-engine", "--passphrase-file", words_file, "--json")
    assert said_in(ran.value["command"])["MOSAIC_ENGINE"] == "own"
    ran = mosaic("device", "add", "--own-engine", "--as", "command", "--passphrase-file", words_file, "--json")
    assert "mosaic device run --own-engine" in ran.value["command"]
    assert mosaic("device", "add", "--here", "--own-engine").code == 2


@pytest.mark.parametrize("giving", ["asked", "file", "owner"])
def test_otherwise_the_passphrase_is_not_printed(
    mosaic: Mosaic, adding: FakeHive, words_file: str, giving: str
) -> None:
    ran = mosaic("device", "add", "--passphrase-by", giving, "--passphrase-file", words_file)
    assert ran.code == 0, ran.stderr
    assert PASSPHRASE not in ran.stdout
    assert (device_texts.PASSPHRASE_AT in ran.stdout) == (giving == "file")


def test_a_compose_file_a_unit_and_the_line_of_a_host_install_are_there_for_those_who_prefer_them(
    mosaic: Mosaic, adding: FakeHive, words_file: str
) -> None:
    shown = {}
    for form in device_texts.FORMS:
        ran = mosaic("device", "add", "--as", form, "--name", "attic", "--passphrase-file", words_file, "--json")
        assert ran.code == 0, ran.stderr
        shown[form] = ran.value["command"]
    (service,) = yaml.safe_load(shown["compose"])["services"].values()
    assert service["image"] == IMAGE and "MOSAIC_NAME=attic" in service["environment"]
    assert "ExecStart=" in shown["systemd"] and 'MOSAIC_NAME="attic"' in shown["systemd"]
    assert shown["command"].endswith("mosaic device run")


def test_a_form_that_cannot_ask_is_refused_before_a_token_is_made(
    mosaic: Mosaic, adding: FakeHive, words_file: str
) -> None:
    ran = mosaic(
        "device", "add", "--as", "compose", "--passphrase-by", "asked", "--passphrase-file", words_file
    )  # fmt: skip
    assert ran.code == 1
    assert "no terminal to ask" in ran.stderr
    assert [request for request, _ in adding.asked] == ["GET /api/device-image"]


def test_a_name_that_would_act_in_a_terminal_is_refused_before_anything(mosaic: Mosaic, adding: FakeHive) -> None:
    ran = mosaic("device", "add", "--name", "attic\x1b[2J", "--wait-for-admission")
    assert ran.code == 1
    assert "the name has a character that cannot be pasted" in ran.stderr
    assert "\x1b[2J" not in ran.stderr
    assert adding.asked == []


def test_the_line_names_the_address_at_which_others_reach_the_hive(mosaic: Mosaic, adding: FakeHive) -> None:
    adding.public_url = "https://hive.example:8930"
    ran = mosaic("device", "add", "--name", "attic", "--wait-for-admission")
    assert enrol.read(said_in(ran.stdout.split("\n\n")[1])["MOSAIC_JOIN"]).url == "https://hive.example:8930"
    assert "Only this machine" not in ran.stdout


def test_a_line_that_only_this_machine_can_use_says_so_and_what_to_type(mosaic: Mosaic, adding: FakeHive) -> None:
    ran = mosaic("device", "add", "--name", "attic", "--wait-for-admission")
    assert "Only this machine reaches the Hive at http://127.0.0.1" in ran.stdout
    assert "`mosaic up --listen 0.0.0.0 --url https://NAME:8930`" in ran.stdout
