"""What a Device says of its keys is with its Hive, for the owner's clients, from the first connection on."""

import sqlite3
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters.hive_client import DeviceClient
from mosaic.core.errors import MosaicError, NotFound
from mosaic.crypto import device_keys
from mosaic.device.enrol import enrol
from mosaic.wire.device_keys import KeyProof
from support.fake_device import FakeDevice
from support.running_device import running_device
from support.running_hive import PASSPHRASE, Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long


class OldHive(NotFound):
    """A Hive that does not know what is asked of it."""

    code = "not-found"


def has_root(owner: Owner) -> bool:
    """Whether the Hive keeps what the only Device says of its keys by the root key."""
    (device,) = owner.devices()
    owner_key = made_keys().opened.owner_key
    keys = device_keys.DeviceKeys(device.device, device.signing_key, device.wrapping_key, owner_key)
    return device.proof is not None and device_keys.is_by_root(keys, device.proof, made_keys().opened.root)


def forget_proofs(owner: Owner) -> None:
    """Let the Hive know as little as one that was just upgraded."""
    with sqlite3.connect(owner.hive.config.state / "hive.db", timeout=30) as connection:
        connection.execute("UPDATE devices SET key_proof = NULL")
    connection.close()


def test_a_device_that_joined_with_an_earlier_version_says_it_when_it_connects(owner: Owner, tmp_path: Path) -> None:
    identity = enrol(tmp_path / "attic", owner.join_token("attic"), "attic", passphrase=PASSPHRASE)
    assert has_root(owner)
    forget_proofs(owner)

    with running_device(tmp_path / "attic", identity):
        eventually(lambda: has_root(owner))


def test_a_device_that_is_given_the_root_key_says_so_at_once(owner: Owner, tmp_path: Path) -> None:
    identity = enrol(tmp_path / "attic", owner.join_token("attic", admitted=False), "attic")
    with running_device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        assert not has_root(owner)

        owner.admit("attic")

        eventually(lambda: has_root(owner))


def test_with_a_hive_of_an_earlier_version_a_device_works_all_the_same(
    owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[KeyProof] = []

    def unknown(_: DeviceClient, proof: KeyProof) -> None:
        asked.append(proof)
        raise OldHive("there is nothing here", hint="look elsewhere")

    monkeypatch.setattr(DeviceClient, "tell_keys", unknown)
    identity = enrol(tmp_path / "attic", owner.join_token("attic"), "attic", passphrase=PASSPHRASE)

    with running_device(tmp_path / "attic", identity):
        eventually(lambda: bool(asked) and owner.devices()[0].last_report_ns)


def test_a_join_token_of_an_earlier_version_is_good_and_binds_nothing(owner: Owner, tmp_path: Path) -> None:
    token = owner.join_token("attic")
    assert token.binding == ""

    identity = enrol(tmp_path / "attic", token, "attic", passphrase=PASSPHRASE)

    assert identity.proof.by_token == ""
    assert device_keys.are_signed(identity.keys, identity.proof)


def test_what_a_device_did_not_sign_the_hive_does_not_keep(owner: Owner) -> None:
    attic, other = FakeDevice("attic"), FakeDevice("other")
    attic.join(owner.join_token("attic"))
    attic.connect()
    before = owner.devices()[0].proof
    assert before is not None

    with attic.client() as client:
        for proof in (
            other.proof(owner.join_token(), has_root=True),
            msgspec.structs.replace(before, signature="no hex"),
            msgspec.structs.replace(before, by_root="x" * 4_000),
        ):
            with pytest.raises(MosaicError) as refused:
                client.tell_keys(proof)
            assert refused.value.code == "enrolment-malformed"

    assert owner.devices()[0].proof == before
    attic.disconnect()
