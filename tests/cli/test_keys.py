"""Changing what opens an account's keys: whatever is killed or lost in between, somebody holds what opens them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from cli.conftest import FakeHive, Json, Ran, problem
from mosaic.adapters.api_client import HiveClient
from mosaic.crypto import account, unwrap
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account
from mosaic.wire.hive_backup import HiveKit
from support.kill_points import Killed
from support.running_hive import PASSPHRASE, made_keys

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]
CODE = "AAAA-BBBB"
Answer = TypeVar("Answer")


class Kept:
    """What a Hive keeps of an account, and when it loses a reply."""

    def __init__(self, hive: FakeHive) -> None:
        self.hive = hive
        self.keys: AccountKeys = made_keys().new.keys
        self.loses_reply = False
        hive.answers["GET /api/account"] = lambda _: Account("account", "owner", self.keys)
        hive.answers["PUT /api/account/keys"] = self.put
        hive.answers["POST /api/hive/kit"] = HiveKit(CODE, "/mnt/nas")

    def put(self, asked: Json) -> object:
        new = msgspec.convert(asked["new"]["keys"], AccountKeys)
        if new.version != self.keys.version + 1:
            return 409, problem("keys-changed", "they have changed", "read them again")
        self.keys = new
        if self.loses_reply:
            return 503, problem("hive-busy", "the reply is lost", "ask again")
        return Account("account", "owner", new)

    def opens_with(self, words: str) -> bool:
        try:
            return unwrap.unlock(self.keys, words).root.reveal() == made_keys().opened.root.reveal()
        except unwrap.PassphraseWrong:
            return False

    def recovers_with(self, code: str) -> bool:
        try:
            return unwrap.recover_root(self.keys, code).reveal() == made_keys().opened.root.reveal()
        except unwrap.RecoveryCodeWrong:
            return False


@pytest.fixture
def kept(logged_in: FakeHive) -> Kept:
    return Kept(logged_in)


@pytest.fixture
def present(tmp_path: Path) -> str:
    """A file with the present passphrase."""
    path = tmp_path / "present"
    path.write_text(PASSPHRASE)
    return str(path)


@pytest.fixture(params=["before", "after"])
def killed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Kill the command just before, or just after, the Hive took the change."""
    real = HiveClient.send

    def send(self: HiveClient, method: str, path: str, body: msgspec.Struct | None, answer: type[Answer]) -> Answer:
        if path == "/api/account/keys" and request.param == "before":
            raise Killed
        done = real(self, method, path, body, answer)
        if path == "/api/account/keys":
            raise Killed
        return done

    monkeypatch.setattr(HiveClient, "send", send)
    yield str(request.param)


def shown(text: str, name: str) -> str:
    found = re.search(rf"{name}:\s+(\S.*)$", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


@pytest.mark.long
def test_a_rotation_that_is_killed_leaves_a_passphrase_that_its_owner_has(
    mosaic: Mosaic, kept: Kept, present: str, killed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        mosaic("passphrase", "rotate", "--passphrase-file", present)
    new = shown(capsys.readouterr().out, "New passphrase")
    assert [kept.opens_with(PASSPHRASE), kept.opens_with(new)] == [killed == "before", killed == "after"]
    assert kept.recovers_with(made_keys().recovery_code)


@pytest.mark.long
def test_a_renewed_kit_whose_command_is_killed_leaves_a_code_that_its_owner_has(
    mosaic: Mosaic, kept: Kept, present: str, killed: str, tmp_path: Path
) -> None:
    kit = tmp_path / "kit.txt"
    with pytest.raises(Killed):
        mosaic("recovery-kit", "--renew", "--out", str(kit), "--passphrase-file", present)
    assert kit.stat().st_mode & 0o777 == 0o600
    new = shown(kit.read_text(), "recovery code")
    counts = [kept.recovers_with(made_keys().recovery_code), kept.recovers_with(new)]
    assert counts == [killed == "before", killed == "after"]
    assert kept.opens_with(PASSPHRASE)
    assert mosaic("recovery-kit", "--check", str(kit)).code == (1 if killed == "before" else 0)


@pytest.mark.long
def test_a_lost_reply_is_found_out_by_reading(mosaic: Mosaic, kept: Kept, present: str) -> None:
    kept.loses_reply = True
    ran = mosaic("passphrase", "rotate", "--passphrase-file", present, "--json")
    assert ran.code == 0, ran.stdout
    assert kept.opens_with(ran.value["passphrase"])


def test_a_change_that_somebody_else_made_first_is_refused_and_nothing_is_lost(
    mosaic: Mosaic, kept: Kept, present: str, tmp_path: Path
) -> None:
    kit, old = tmp_path / "kit.txt", kept.keys

    def put(asked: object) -> object:
        return 409, problem("keys-changed", "they have changed", "read them again")

    kept.hive.answers["PUT /api/account/keys"] = put
    ran = mosaic("recovery-kit", "--renew", "--out", str(kit), "--passphrase-file", present)
    assert (ran.code, kept.keys) == (1, old)
    assert not kit.exists(), "a code that counts nowhere is not left lying about"


def test_the_kit_has_the_hives_part_and_changes_nothing(mosaic: Mosaic, kept: Kept, present: str) -> None:
    before = kept.keys
    ran = mosaic("recovery-kit", "--passphrase-file", present)
    assert ran.code == 0, ran.stderr
    assert shown(ran.stdout, "backup code") == CODE
    assert shown(ran.stdout, "Hive's copies") == "/mnt/nas"
    assert kept.keys == before
    proved = [asked for request, asked in kept.hive.asked if request == "POST /api/hive/kit"]
    assert proved == [{"auth_key": made_keys().new.auth_key}]
    assert PASSPHRASE not in json.dumps(kept.hive.asked)


def test_an_older_kit_is_told_from_the_present_one(mosaic: Mosaic, kept: Kept, tmp_path: Path) -> None:
    kit = tmp_path / "kit.txt"
    kit.write_text(f"recovery code:  {account.make('some other words entirely').recovery_code}\n")
    ran = mosaic("recovery-kit", "--check", str(kit), "--json")
    assert ran.value["error"]["code"] == "recovery-kit-outdated"
    kit.write_text(f"recovery code:  {made_keys().recovery_code}\n")
    assert mosaic("recovery-kit", "--check", str(kit)).code == 0


def test_a_kit_is_never_written_over_another(mosaic: Mosaic, kept: Kept, present: str, tmp_path: Path) -> None:
    kit = tmp_path / "kit.txt"
    kit.write_text("the old kit")
    before = kept.keys
    assert mosaic("recovery-kit", "--renew", "--out", str(kit), "--passphrase-file", present).code == 1
    assert (kit.read_text(), kept.keys) == ("the old kit", before)
