"""How a Device joins, is admitted, and is removed."""

from collections.abc import Callable

import pytest

from mosaic import __version__
from mosaic.adapters.hive_client import DeviceClient
from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused
from mosaic.crypto import unwrap
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.api import Admit, Device
from mosaic.wire.enrol import DeviceImage, JoinSecret
from support.fake_device import FakeDevice, TurnedAway
from support.manual_clock import ManualClock
from support.running_hive import Owner, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]


def refusal(call: Callable[[], object]) -> MosaicError:
    with pytest.raises(MosaicError) as refused:
        call()
    assert refused.value.hint
    return refused.value


def test_a_join_token_works_once_and_for_fifteen_minutes(owner: Owner, clock: ManualClock) -> None:
    token, late = owner.join_token(), owner.join_token()
    FakeDevice("attic").join(token)
    assert refusal(lambda: FakeDevice("cellar").join(token)).code == "join-token-used"
    clock.advance(15 * 60)
    assert refusal(lambda: FakeDevice("cellar").join(late)).code == "join-token-expired"
    unknown = type(token)(token.url, token.hive_fingerprint, "x" * 32)
    assert refusal(lambda: FakeDevice("cellar").join(unknown)).code == "join-token-unknown"
    assert [device.name for device in owner.devices()] == ["attic"]


def test_a_lost_reply_does_not_use_a_token_up(owner: Owner) -> None:
    token, attic = owner.join_token(), FakeDevice("attic")
    assert attic.join(token) == attic.join(token)


def test_a_taken_name_is_refused_with_a_free_one_and_the_token_stays_good(owner: Owner) -> None:
    FakeDevice("attic").join(owner.join_token())
    token = owner.join_token()
    refused = refusal(lambda: FakeDevice("attic").join(token))
    assert (refused.code, "attic-2" in refused.hint) == ("device-name-taken", True)
    assert FakeDevice("attic-2").join(token).name == "attic-2"


def test_a_host_name_becomes_a_usable_name(owner: Owner) -> None:
    assert FakeDevice("Ada's MacBook.local").join(owner.join_token()).name == "ada-s-macbook-local"


def test_another_passphrase_is_refused_and_the_token_stays_good(owner: Owner) -> None:
    token, attic = owner.join_token(), FakeDevice("attic")
    with attic_client(owner) as client:
        assert client.account_keys(JoinSecret(token.secret)) == made_keys().new.keys
    assert refusal(lambda: attic.join(token, auth_key="00" * 32)).code == "passphrase-differs"
    assert attic.join(token).admitted


def attic_client(owner: Owner) -> DeviceClient:
    return DeviceClient(owner.hive.url, ca_pem=None)


def test_a_device_gets_work_and_the_root_key_only_after_its_owner_admitted_it(owner: Owner) -> None:
    attic = FakeDevice("attic")
    attic.join(owner.join_token(admitted=False), auth_key=None)
    welcome = attic.connect()
    assert not welcome.admitted
    assert refusal(owner.install).code == "device-not-ready"
    owner.admit("attic")
    eventually(lambda: attic.welcomes[-1].admitted and attic.told)
    with attic.client() as client:
        told = client.this_device()
    assert told.root_for_device is not None
    root = unwrap.open_root_for_device(told.root_for_device, attic.wrapping.private, owner_key=told.owner_key)
    assert root == made_keys().opened.root
    assert owner.install().device == attic.id
    attic.disconnect()


def test_only_the_owner_admits(owner: Owner) -> None:
    attic = FakeDevice("attic")
    attic.join(owner.join_token(admitted=False))
    forged = Admit(OwnerAdmission(attic.id, "00" * 64))
    with owner.client() as client:
        refused = refusal(lambda: client.send("POST", "/api/devices/attic/admit", forged, Device))
    assert refused.code == "admission-wrong"
    assert not owner.devices()[0].admitted


def test_a_device_is_removed_only_when_nothing_belongs_on_it(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    owner.install()
    eventually(lambda: owner.installation().phase == "settled" and owner.installation().health.colour == "green")
    with owner.client() as client:
        refused = refusal(lambda: client.order("DELETE", "/api/devices/attic"))
        assert (refused.code, "notes" in refused.message) == ("device-in-use", True)
    owner.uninstall()
    eventually(lambda: _removed(owner))
    eventually(lambda: attic.goodbye is not None)
    assert attic.goodbye is not None
    assert attic.goodbye.code == "device-removed"
    with pytest.raises(TurnedAway, match="device-removed"):
        attic.connect()
    assert owner.devices() == []


def _removed(owner: Owner) -> bool:
    try:
        with owner.client() as client:
            client.order("DELETE", "/api/devices/attic")
    except Conflict:
        return False
    return True


def test_what_is_not_there_is_named(owner: Owner) -> None:
    with owner.client() as client, pytest.raises(NotFound) as unknown:
        client.get("/api/devices/attic", Device)
    assert unknown.value.code == "device-unknown"


def test_a_name_that_cannot_be_one_is_refused_before_a_token_is_made(owner: Owner) -> None:
    with pytest.raises(Refused) as refused:
        owner.join_token("Not A Name!")
    assert (refused.value.code, "not-a-name" in refused.value.hint) == ("name-unusable", True)


def test_the_owner_is_told_which_image_devices_start_from_and_when_each_joined(owner: Owner) -> None:
    FakeDevice("attic").join(owner.join_token())
    (device,) = owner.devices()
    assert device.joined_ns > 0
    with owner.client() as client:
        assert client.get("/api/device-image", DeviceImage).image == f"mosaic/device:{__version__}"
