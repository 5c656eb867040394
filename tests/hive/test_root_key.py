"""A renewed root key: all that hung on the older one hangs on it, or nothing has changed."""

import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters.hive_client import DeviceClient
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from mosaic.crypto import admission, envelope, unwrap, x25519
from mosaic.crypto.account import root_id_of
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, Admit, Device, SetKeys
from mosaic.wire.enrol import Enrolled, NewVolume
from mosaic.wire.root_key import RenewRoot, RootReach
from mosaic.wire.store_envelope import StoreEnvelope
from support.fake_device import FakeDevice
from support.renewing import prepared, renew
from support.running_hive import PASSPHRASE, Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def reach_of(owner: Owner) -> RootReach:
    with owner.client() as client:
        return client.get("/api/account/root", RootReach)


def keys_of(owner: Owner) -> AccountKeys:
    found = reach_of(owner).keys
    assert found is not None
    return found


def seen_by(device: FakeDevice) -> Enrolled:
    with device.client() as client:
        return client.this_device()


def settled(owner: Owner) -> None:
    eventually(lambda: owner.installation().phase == "settled")


def refused(owner: Owner, change: RenewRoot) -> str:
    with owner.client() as client, pytest.raises(MosaicError) as raised:
        client.send("PUT", "/api/account/root", change, Account)
    return raised.value.code


def opens(owner: Owner, root: Secret) -> list[bool]:
    """Say of each volume whether this root key opens what the Hive has of it."""

    def one(volume: str, wrapped: str) -> bool:
        try:
            unwrap.open_volume_seed(wrapped, root, volume=VolumeId(volume))
        except unwrap.EnvelopeDamaged:
            return False
        return True

    return [one(each.volume, each.wrapped_seed) for each in reach_of(owner).seeds]


def test_a_renewal_leaves_nothing_at_the_hive_that_the_older_root_key_or_recovery_code_opens(
    owner: Owner, joined: Join
) -> None:
    attic, older = joined("attic"), made_keys()
    owner.install()
    settled(owner)
    owner.install(name="mail")
    eventually(lambda: owner.installation("mail").phase == "settled")
    owner.uninstall("mail")
    with owner.client() as client:
        made = renew(client)

    assert opens(owner, older.opened.root) == [False, False], "of what is in the trash, too"
    assert opens(owner, made.opened.root) == [True, True]
    assert unwrap.unlock(keys_of(owner), PASSPHRASE).root == made.opened.root
    with pytest.raises(unwrap.RecoveryCodeWrong):
        unwrap.recover_root(keys_of(owner), older.recovery_code)
    assert unwrap.recover_root(keys_of(owner), made.recovery_code) == made.opened.root
    given = seen_by(attic).root_for_device
    assert given is not None
    assert unwrap.open_root_for_device(given, attic.wrapping.private, owner_key=keys_of(owner).owner_key) == (
        made.opened.root
    )


def test_whoever_registers_a_volume_is_told_at_once_what_its_stores_receive(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    installed = owner.install()
    settled(owner)
    seed = secrets.token_bytes(32)
    name = VolumeId(volume_id(seed))
    new = NewVolume(name, envelope.wrap_volume_seed(Secret(seed), attic.root, volume=name), root_id_of(attic.root))

    with attic.client() as client:
        told = client.register_volume(installed.installation, "data", new)

    assert told.store_envelope is not None
    found = msgspec.json.decode(bytes.fromhex(told.store_envelope), type=StoreEnvelope)
    assert (found.volume, found.wrapped_seed) == (told.volume, told.wrapped_seed)


def test_stores_receive_envelopes_that_the_new_recovery_code_alone_opens(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install()
    settled(owner)
    with owner.client() as client:
        made = renew(client)

    def passed() -> StoreEnvelope:
        item = attic.assigned("notes")
        assert item is not None and item.volumes[0].store_envelope is not None
        return msgspec.json.decode(bytes.fromhex(item.volumes[0].store_envelope), type=StoreEnvelope)

    eventually(lambda: passed().recovery_root == made.new.keys.recovery_root)
    found = passed()
    root = unwrap.recover_wrapped_root(found.recovery_root, made.recovery_code, owner_key=found.owner_key)
    assert unwrap.open_volume_seed(found.wrapped_seed, root, volume=VolumeId(found.volume))
    with pytest.raises(unwrap.RecoveryCodeWrong):
        unwrap.recover_wrapped_root(found.recovery_root, made_keys().recovery_code, owner_key=found.owner_key)
    with pytest.raises(unwrap.EnvelopeDamaged):
        unwrap.open_volume_seed(found.wrapped_seed, made_keys().opened.root, volume=VolumeId(found.volume))


def test_a_removed_device_is_given_nothing(owner: Owner, joined: Join, tmp_path: Path) -> None:
    stolen, attic = joined("stolen"), joined("attic")
    token = stolen.welcomes[-1].token
    with owner.client() as client:
        client.order("DELETE", "/api/devices/stolen")
        change, _ = prepared(client)
        client.send("PUT", "/api/account/root", change, Account)

    assert change.devices.keys() == {attic.id}
    with DeviceClient(owner.hive.url, ca_pem=None, token=token) as thief, pytest.raises(MosaicError) as turned:
        thief.this_device()
    assert turned.value.code == "session-token-unknown"
    owner.hive.stop()
    kept = b"".join(path.read_bytes() for path in owner.hive.config.state.glob("hive.db*"))
    assert made_keys().opened.root.reveal().hex().encode() not in kept


@pytest.mark.parametrize("what", ["a volume", "a Device", "one Device more", "a volume more"])
def test_a_renewal_that_leaves_something_out_changes_nothing(owner: Owner, joined: Join, what: str) -> None:
    joined("attic")
    owner.install()
    settled(owner)
    before = reach_of(owner)
    with owner.client() as client:
        change, _ = prepared(client)
    less = {
        "a volume": msgspec.structs.replace(change, seeds={}),
        "a Device": msgspec.structs.replace(change, devices={}),
        "one Device more": msgspec.structs.replace(change, devices={**change.devices, "ab" * 16: "ab" * 146}),
        "a volume more": msgspec.structs.replace(change, seeds={**change.seeds, "ab" * 32: "ab" * 62}),
    }[what]

    assert refused(owner, less) == "keys-changed"
    assert reach_of(owner) == before


def test_a_renewal_needs_the_passphrase_the_next_version_and_another_root_key(owner: Owner) -> None:
    before = reach_of(owner)
    with owner.client() as client:
        change, _ = prepared(client)
    later = msgspec.structs.replace(change.new.keys, version=3)
    same = msgspec.structs.replace(change.new.keys, root_id=made_keys().new.keys.root_id)
    replaced = msgspec.structs.replace

    assert refused(owner, replaced(change, previous_auth_key="00" * 32)) == "passphrase-differs"
    assert refused(owner, replaced(change, new=replaced(change.new, keys=later))) == "keys-changed"
    assert refused(owner, replaced(change, new=replaced(change.new, keys=same))) == "keys-unusable"
    assert reach_of(owner) == before


def test_other_wrappings_never_bring_another_root_key_with_them(owner: Owner) -> None:
    with owner.client() as client:
        change, _ = prepared(client)
        with pytest.raises(MosaicError) as raised:
            client.send("PUT", "/api/account/keys", SetKeys(change.new, made_keys().new.auth_key), Account)
    assert raised.value.code == "keys-unusable"


def test_what_was_wrapped_under_the_older_root_key_is_refused_afterwards(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    late = FakeDevice("late")
    late.join(owner.join_token(admitted=False), auth_key=None)
    with owner.client() as client:
        made = renew(client)
    opened = made_keys().opened
    root = envelope.wrap_root_for_device(opened.root, wrapping_key=late.wrapping.public, owner_seed=opened.owner_seed)
    signed = admission.admit(opened.owner_seed, account=owner.logged_in.account, subject=late.id)

    with owner.client() as client, pytest.raises(MosaicError) as admitted:
        client.send("POST", f"/api/devices/{late.id}/admit", Admit(signed, root, root_id_of(opened.root)), Device)
    owner.install(device="attic")
    eventually(lambda: attic.assigned("notes"))
    item = attic.assigned("notes")
    assert item is not None
    seed = Secret(bytes(32))
    volume = volume_id(seed.reveal())
    new = NewVolume(volume, envelope.wrap_volume_seed(seed, opened.root, volume=volume), root_id_of(opened.root))
    with attic.client() as client, pytest.raises(MosaicError) as registered:
        client.register_volume(item.installation, "data", new)

    assert {admitted.value.code, registered.value.code} == {"root-key-renewed"}
    present = envelope.wrap_volume_seed(seed, made.opened.root, volume=volume)
    with attic.client() as client:
        done = client.register_volume(
            item.installation, "data", NewVolume(volume, present, root_id_of(made.opened.root))
        )
    assert done.volume == volume


def test_a_device_that_waits_for_its_admission_is_wrapped_the_new_key_then(owner: Owner) -> None:
    late = FakeDevice("late")
    late.join(owner.join_token(admitted=False))
    assert owner.devices()[0].has_root_key, "it derived it from the passphrase"
    with owner.client() as client:
        renew(client)
    assert not owner.devices()[0].has_root_key


def test_a_device_that_does_not_sign_for_its_key_is_told_from_the_owners(owner: Owner) -> None:
    theirs, other = x25519.generate(), x25519.generate()
    opened = made_keys().opened
    given = envelope.wrap_root_for_device(opened.root, wrapping_key=theirs.public, owner_seed=opened.owner_seed)
    forged = envelope.wrap_root_for_device(opened.root, wrapping_key=other.public, owner_seed=Secret(bytes(32)))

    def is_ours(sealed: str, key: str) -> bool:
        return unwrap.is_for_device(sealed, wrapping_key=key, owner_key=opened.owner_key)

    assert is_ours(given, theirs.public)
    assert [is_ours(given, other.public), is_ours(forged, other.public), is_ours("00", other.public)] == [False] * 3
