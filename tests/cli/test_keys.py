"""Changing what opens an account's keys: whatever is killed or lost in between, somebody holds what opens them."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from cli import samples
from cli.conftest import FakeHive, problem
from mosaic.adapters.api_client import HiveClient
from mosaic.cli import known_devices
from mosaic.core.ids import VolumeId
from mosaic.crypto import account, device_keys, envelope, signing, unwrap, x25519
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.hashing import device_id
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, Device, Volume
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.hive_backup import HiveKit
from mosaic.wire.removal import RemovalPlan
from mosaic.wire.root_key import DeviceRoot, RenewRoot, RootReach, WrappedSeed
from support.kill_points import Killed
from support.ran import Json, Ran
from support.running_hive import PASSPHRASE, made_keys

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]
CODE = "AAAA-BBBB"
Answer = TypeVar("Answer")
SEED = Secret(b"v" * 32)
ATTIC_SEED = Secret(b"a" * 32)
ATTIC_KEY = signing.public_key(ATTIC_SEED.reveal())
VOLUME = volume_id(SEED.reveal())


class Kept:
    """What a Hive keeps of an account, and when it loses a reply."""

    def __init__(self, hive: FakeHive) -> None:
        self.hive = hive
        self.keys: AccountKeys = made_keys().new.keys
        self.given: dict[str, str] = {}
        self.loses_reply = False
        hive.answers["GET /api/account"] = lambda _: Account("account", "owner", self.keys)
        hive.answers["PUT /api/account/keys"] = self.put
        hive.answers["POST /api/hive/kit"] = HiveKit(CODE, "/mnt/nas")
        self.attic = x25519.generate()
        self.keys_of_attic = DeviceKeys(
            device_id(bytes.fromhex(ATTIC_KEY)), ATTIC_KEY, self.attic.public, made_keys().opened.owner_key
        )
        self.stranger: str | None = None
        self.took_by_passphrase = False
        self.proof: KeyProof | None = None
        self.seeds = {VOLUME: envelope.wrap_volume_seed(SEED, made_keys().opened.root, volume=VOLUME)}
        hive.answers["GET /api/account/root"] = lambda _: self.reach()
        hive.answers["PUT /api/account/root"] = self.put_root
        hive.answers["GET /api/installations"] = [samples.installation()]

    def reach(self) -> RootReach:
        opened = made_keys().opened
        given = envelope.wrap_root_for_device(opened.root, wrapping_key=self.attic.public, owner_seed=opened.owner_seed)
        seeds = [WrappedSeed(volume, seed, "notes") for volume, seed in self.seeds.items()]
        envelope_of_owner = None if self.took_by_passphrase else given
        attic = DeviceRoot(
            self.keys_of_attic.device,
            "attic",
            self.stranger or self.attic.public,
            envelope_of_owner,
            ATTIC_KEY,
            self.proof,
        )
        return RootReach(self.keys, seeds, [attic])

    def put_root(self, asked: Json) -> object:
        change = msgspec.convert(asked, RenewRoot)
        answer = self.put(asked)
        if self.keys == change.new.keys:
            self.seeds, self.given = {VolumeId(one): seed for one, seed in change.seeds.items()}, change.devices
        return answer

    def opens_volume(self, root: Secret) -> bool:
        try:
            return unwrap.open_volume_seed(self.seeds[VOLUME], root, volume=VOLUME) == SEED
        except unwrap.EnvelopeDamaged:
            return False

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

    changes = ("/api/account/keys", "/api/account/root")

    def send(self: HiveClient, method: str, path: str, body: msgspec.Struct | None, answer: type[Answer]) -> Answer:
        if path in changes and request.param == "before":
            raise Killed
        done = real(self, method, path, body, answer)
        if path in changes:
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


@pytest.mark.long
def test_with_json_too_a_rotation_that_is_killed_leaves_a_passphrase_that_its_owner_has(
    mosaic: Mosaic, kept: Kept, present: str, killed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        mosaic("passphrase", "rotate", "--passphrase-file", present, "--json")
    printed = capsys.readouterr()
    assert printed.out == ""
    new = shown(printed.err, "New passphrase")
    assert [kept.opens_with(PASSPHRASE), kept.opens_with(new)] == [killed == "before", killed == "after"]


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


def test_a_renewal_that_is_killed_leaves_one_root_key_whole_and_its_owner_with_its_code(
    mosaic: Mosaic, kept: Kept, present: str, killed: str, tmp_path: Path
) -> None:
    kit = tmp_path / "kit.txt"
    with pytest.raises(Killed):
        mosaic("keys", "renew", "--yes", "--out", str(kit), "--passphrase-file", present)
    assert kit.stat().st_mode & 0o777 == 0o600
    older, present_root = made_keys().opened.root, unwrap.unlock(kept.keys, PASSPHRASE).root

    assert (present_root == older) is (killed == "before")
    assert kept.opens_volume(present_root), "all of what is wrapped is under the root key that counts"
    assert kept.opens_volume(older) is (killed == "before")
    code = made_keys().recovery_code if killed == "before" else shown(kit.read_text(), "recovery code")
    assert unwrap.recover_root(kept.keys, code) == present_root
    assert mosaic("recovery-kit", "--check", str(kit)).code == (1 if killed == "before" else 0)
    if killed == "after":
        (given,) = kept.given.values()
        assert unwrap.open_root_for_device(given, kept.attic.private, owner_key=kept.keys.owner_key) == present_root


def test_a_renewal_whose_reply_is_lost_is_found_out_by_reading(mosaic: Mosaic, kept: Kept, present: str) -> None:
    kept.loses_reply = True
    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present, "--json")
    assert ran.code == 0, ran.stdout
    assert (ran.value["devices"], ran.value["apps"]) == (["attic"], ["notes"])
    assert unwrap.recover_root(kept.keys, ran.value["recovery_code"]) != made_keys().opened.root


def test_a_renewal_is_not_begun_before_somebody_says_that_the_devices_are_his(
    mosaic: Mosaic, kept: Kept, present: str
) -> None:
    before = kept.keys
    ran = mosaic("keys", "renew", "--passphrase-file", present)
    assert (ran.code, kept.keys) == (1, before)
    assert "attic" in ran.stderr


def test_a_device_key_that_the_owner_never_wrapped_anything_to_gets_nothing(
    mosaic: Mosaic, kept: Kept, present: str
) -> None:
    before = kept.keys
    kept.stranger = x25519.generate().public
    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present, "--json")
    assert ran.value["error"]["code"] == "device-forged"
    assert kept.keys == before


def test_a_device_that_took_the_root_key_by_the_passphrase_shows_that_it_has_it_and_gets_the_new_one(
    mosaic: Mosaic, kept: Kept, present: str
) -> None:
    kept.took_by_passphrase = True
    kept.proof = device_keys.prove(kept.keys_of_attic, ATTIC_SEED, root=made_keys().opened.root)

    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present, "--json")

    assert ran.code == 0, ran.stdout
    (given,) = kept.given.values()
    owner_key = made_keys().opened.owner_key
    assert unwrap.open_root_for_device(given, kept.attic.private, owner_key=owner_key) != made_keys().opened.root


@pytest.mark.parametrize("root", [None, Secret(b"?" * 32)], ids=["says nothing", "has another root key"])
def test_a_device_of_the_hives_own_gets_no_root_key_at_a_renewal(
    mosaic: Mosaic, kept: Kept, present: str, root: Secret | None
) -> None:
    kept.took_by_passphrase = True
    kept.proof = device_keys.prove(kept.keys_of_attic, ATTIC_SEED, root=root)

    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present, "--json")

    assert (ran.code, ran.value["error"]["code"], kept.given) == (1, "device-unproved", {})


def test_a_device_that_was_removed_here_gets_no_root_key_though_the_hive_still_names_it(
    mosaic: Mosaic, kept: Kept, present: str
) -> None:
    known_devices.remember("account", kept.keys_of_attic)
    known_devices.note_removed("account", kept.keys_of_attic.device)

    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present, "--json")

    assert (ran.code, ran.value["error"]["code"], kept.given) == (1, "device-forged", {})


def test_an_older_recovery_code_is_told_from_the_renewed_ones(
    mosaic: Mosaic, kept: Kept, present: str, tmp_path: Path
) -> None:
    kit = tmp_path / "kit.txt"
    kit.write_text(f"recovery code:  {made_keys().recovery_code}\n")
    assert mosaic("keys", "renew", "--yes", "--passphrase-file", present).code == 0
    ran = mosaic("recovery-kit", "--check", str(kit), "--json")
    assert ran.value["error"]["code"] == "recovery-kit-outdated"


def plan_of(device: Device, *, removed: bool = False, set_aside: dict[str, list[str]] | None = None) -> RemovalPlan:
    return RemovalPlan(device.device, device.name, True, None, removed, [], set_aside or {}, [])


def test_removing_a_device_says_what_it_could_read_and_what_to_type_next(mosaic: Mosaic, logged_in: FakeHive) -> None:
    stolen = samples.device("stolen")
    logged_in.answers |= {
        "GET /api/devices": [stolen],
        "GET /api/volumes": [Volume("cd" * 32, "abc", "notes", "data", None, None, [])],
        f"GET /api/devices/{stolen.device}/removal": plan_of(stolen),
        f"POST /api/devices/{stolen.device}/removal": plan_of(stolen, removed=True),
    }
    ran = mosaic("device", "remove", "stolen", "--yes", "--json")
    assert ran.value == {
        "device": stolen.device,
        "name": "stolen",
        "could_read": ["notes"],
        "if_stolen": ["mosaic keys renew"],
    }
    told = mosaic("device", "remove", "stolen", "--yes").stdout
    assert "could read the volumes of notes" in told and "`mosaic keys renew`" in told


def test_an_account_that_did_not_set_the_hive_up_renews_its_root_key_too(
    mosaic: Mosaic, kept: Kept, present: str
) -> None:
    kept.hive.answers["POST /api/hive/kit"] = (403, problem("not-the-hives-owner", "it is another's", "ask him"))
    ran = mosaic("keys", "renew", "--yes", "--passphrase-file", present)
    assert ran.code == 0, ran.stderr
    assert unwrap.recover_root(kept.keys, shown(ran.stdout, "recovery code")) != made_keys().opened.root


def test_a_device_with_the_only_copy_of_something_is_removed_only_after_that_was_named(
    mosaic: Mosaic, logged_in: FakeHive
) -> None:
    attic = samples.device("attic")
    only = (409, problem("only-copy", "attic has the only copy of 1.1-5 of notes", "put it back first"))
    plan = plan_of(attic, set_aside={"notes": ["1.1-5"]})
    path = f"/api/devices/{attic.device}/removal"
    logged_in.answers |= {
        "GET /api/devices": [attic],
        "GET /api/volumes": [],
        f"GET {path}": plan,
        f"POST {path}": only,
    }
    refused = mosaic("device", "remove", "attic", "--yes")
    assert (refused.code, "the only copy" in refused.stderr) == (1, True)
    logged_in.answers[f"POST {path}"] = plan_of(attic, removed=True)
    ran = mosaic("device", "remove", "attic", "--force", "--yes", "--json")
    assert ran.value["given_up"] == "1.1-5 of notes"
