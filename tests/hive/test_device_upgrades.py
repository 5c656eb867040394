"""When a Hive orders a Device to become another version, and what it keeps of what came of it."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from mosaic.adapters.sql import device_upgrades, devices
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import Release
from mosaic.core.errors import MosaicError
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.hive import device_upgrading
from mosaic.hive.runtime import Hive
from mosaic.wire.command import Upgrade
from mosaic.wire.report import UpgradeState
from mosaic.wire.upgrading import DeviceUpgrades, SetUpgrades
from mosaic.wire.versions import AddCatalog, Catalog
from support.catalog_world import made_package
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.owner_catalogs import signed
from support.running_hive import PASSWORD, Owner
from support.target_world import Publisher
from support.waiting import eventually

pytestmark = pytest.mark.long  # a registry that is away is asked for some seconds

Join = Callable[[str], FakeDevice]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """Somebody who has published a version: making the keys takes longer than a test."""
    made = Publisher(tmp_path_factory.mktemp("published") / "publisher", now_ns=ManualClock().wall_ns())
    made.create("stable")
    publish(made, "1.0")
    return made


@pytest.fixture
def publisher(owner: Owner, published: Publisher, tmp_path: Path) -> Publisher:
    """The same, whose catalog the owner believes."""
    made = published.copy(tmp_path / "publisher")
    wish = AddCatalog(signed(owner, made.root, "mosaic"), made.public.as_uri(), made.root)
    with owner.client() as client:
        client.send("POST", "/api/catalogs", wish, Catalog)
    return made


def publish(publisher: Publisher, version: str, roll_out: RollOut = EVERYONE) -> str:
    made = made_package(publisher.folder / "source", version=version.encode())
    publishing.publish(
        publisher.alone,
        channel="stable",
        hardware=["generic-amd64"],
        apps={"mosaic-device": Release(f"127.0.0.1:9/mosaic-device@{made.digest}", made.manifest)},
        now_ns=publisher.now_ns,
        commit="0123abc",
        roll_out=roll_out,
        forced=True,
    )
    return made.digest


def refresh(owner: Owner) -> None:
    with owner.client() as client:
        client.send("POST", "/api/catalogs/mosaic/refresh", None, Catalog)


def shown(owner: Owner) -> DeviceUpgrades:
    with owner.client() as client:
        return client.get("/api/devices/attic/upgrade", DeviceUpgrades)


def opt(owner: Owner, *, on: bool) -> DeviceUpgrades:
    with owner.client() as client:
        return client.send("PUT", "/api/devices/attic/upgrades", SetUpgrades(on), DeviceUpgrades)


def upgrade(owner: Owner) -> DeviceUpgrades:
    with owner.client() as client:
        return client.send("POST", "/api/devices/attic/upgrade", None, DeviceUpgrades)


def look(owner: Owner) -> None:
    owner.hive.ask(device_upgrading.look)


def ordered(device: FakeDevice) -> list[Upgrade]:
    return [one.body for one in device.commands if isinstance(one.body, Upgrade)]


def says(owner: Owner, device: FakeDevice, state: UpgradeState) -> None:
    """Have a Device report how its upgrade is, and the Hive take it in."""
    device.upgrade = state
    device.version = state.version if state.stage == "kept" else device.version
    device.report()
    eventually(lambda: shown(owner).newest == state)


def joined_and_heard(owner: Owner, joined: Join) -> FakeDevice:
    device = joined("attic")
    device.answers["upgrade"] = "it has begun"
    device.hardware = "generic-amd64"
    device.restart()
    device.report()
    eventually(lambda: owner.devices()[0].last_report_ns is not None)
    return device


def joined_and_ordered(owner: Owner, joined: Join) -> tuple[FakeDevice, Upgrade]:
    """Have a Device that is opted in, and return it with what it was ordered."""
    device = joined_and_heard(owner, joined)
    opt(owner, on=True)
    look(owner)
    (first,) = ordered(device)
    return device, first


def test_a_device_is_ordered_nothing_before_its_owner_opted_in(
    owner: Owner, publisher: Publisher, joined: Join
) -> None:
    device = joined_and_heard(owner, joined)
    look(owner)
    assert ordered(device) == []
    eventually(lambda: bool(device.told) and not device.told[-1].upgrades)
    assert opt(owner, on=True).on
    eventually(lambda: device.told[-1].upgrades)
    look(owner)
    (order,) = ordered(device)
    assert (order.catalog, order.again) == ("mosaic", False)
    look(owner)
    assert len(ordered(device)) == 1
    opt(owner, on=False)
    eventually(lambda: not device.told[-1].upgrades)


def test_one_that_counts_is_not_ordered_again_and_the_next_one_is(
    owner: Owner, publisher: Publisher, joined: Join
) -> None:
    device, first = joined_and_ordered(owner, joined)
    says(owner, device, UpgradeState(first.wish, first.digest, "1.0", "kept"))
    assert [one.text for one in owner.happened() if one.kind == "device-upgraded"] == ["attic runs Mosaic 1.0 now."]
    device.report()
    look(owner)
    assert len(ordered(device)) == 1
    assert shown(owner).offer is None
    second = publish(publisher, "2.0")
    refresh(owner)
    look(owner)
    assert [one.digest for one in ordered(device)] == [first.digest, second]


def test_one_on_which_another_version_was_started_by_hand_is_offered_the_newest_again(
    owner: Owner, publisher: Publisher, joined: Join
) -> None:
    device, first = joined_and_ordered(owner, joined)
    says(owner, device, UpgradeState(first.wish, first.digest, "1.0", "kept"))
    assert shown(owner).offer is None
    device.version = "0.9"
    device.report()
    eventually(lambda: shown(owner).offer is not None)
    upgrade(owner)
    assert [one.digest for one in ordered(device)] == [first.digest, first.digest]


def test_one_that_was_put_back_is_ordered_again_by_its_owner_alone(
    owner: Owner, publisher: Publisher, joined: Join, clock: ManualClock
) -> None:
    device, first = joined_and_ordered(owner, joined)
    says(owner, device, UpgradeState(first.wish, first.digest, "1.0", "back", "it broke", "its last words"))
    failed = [one.text for one in owner.happened() if one.kind == "device-upgrade-failed"]
    assert failed == ["attic did not become Mosaic 1.0 and runs the version before: it broke."]
    device.report()
    clock.advance(7200)
    look(owner)
    assert len(ordered(device)) == 1
    assert len([one for one in owner.happened() if one.kind == "device-upgrade-failed"]) == 1
    offer = shown(owner).offer
    assert offer is not None and offer.failed
    upgrade(owner)
    assert [one.again for one in ordered(device)] == [False, True]


def test_one_that_could_not_be_fetched_is_ordered_again_after_a_while(
    owner: Owner, publisher: Publisher, joined: Join, clock: ManualClock
) -> None:
    device, first = joined_and_ordered(owner, joined)
    says(owner, device, UpgradeState(first.wish, first.digest, "", "refused", "nobody answers", may_retry=True))
    look(owner)
    assert len(ordered(device)) == 1
    clock.advance(3601)
    device.report()
    look(owner)
    assert len(ordered(device)) == 2


def test_an_order_that_came_too_late_is_given_again_after_a_while(
    owner: Owner, publisher: Publisher, joined: Join, clock: ManualClock
) -> None:
    device = joined_and_heard(owner, joined)
    opt(owner, on=True)
    device.is_late = True
    look(owner)
    assert len(ordered(device)) == 1
    device.is_late = False
    clock.advance(3601)
    device.report()
    look(owner)
    assert len(ordered(device)) == 2


def test_a_roll_out_that_leaves_the_device_out_offers_nothing(owner: Owner, publisher: Publisher, joined: Join) -> None:
    publish(publisher, "2.0", RollOut(0))
    refresh(owner)
    device, first = joined_and_ordered(owner, joined)
    says(owner, device, UpgradeState(first.wish, first.digest, "1.0", "kept"))
    assert shown(owner).offer is None


def test_without_a_version_the_owner_is_told(owner: Owner, joined: Join) -> None:
    joined_and_heard(owner, joined)
    with pytest.raises(MosaicError) as refused:
        upgrade(owner)
    assert refused.value.code == "no-device-version"


def test_the_devices_page_in_the_console_switches_it_on_and_off(owner: Owner, joined: Join) -> None:
    device = joined_and_heard(owner, joined)
    with httpx2.Client(base_url=owner.hive.url, follow_redirects=True, trust_env=False) as browser:
        browser.post("/login", data={"name": "ada", "password": PASSWORD}, headers={"sec-fetch-site": "same-origin"})
        page = browser.get("/devices/attic").text
        assert "attic stays as it is until you run" in page
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        assert browser.post("/devices/attic/upgrades", data={"on": "yes"}).status_code == 422
        assert "takes them by itself" in browser.post("/devices/attic/upgrades", data={"csrf": csrf, "on": "yes"}).text
        eventually(lambda: bool(device.told) and device.told[-1].upgrades)
        says(owner, device, UpgradeState("w1", "sha256:1", "2.0", "back", "it <broke>"))
        assert "It &lt;broke&gt;" in browser.get("/devices/attic").text
        browser.post("/devices/attic/upgrades", data={"csrf": csrf, "on": "no"})
        eventually(lambda: not device.told[-1].upgrades)


def test_a_device_that_is_removed_leaves_no_wish_behind(owner: Owner, joined: Join) -> None:
    device = joined_and_heard(owner, joined)
    opt(owner, on=True)
    with owner.client() as client:
        client.order("DELETE", "/api/devices/attic")

    async def kept(hive: Hive) -> bool:
        assert (await hive.read(lambda tx: devices.get(tx, device.id))) is not None
        return await hive.read(lambda tx: device_upgrades.get(tx, device.id).is_on)

    assert not owner.hive.ask(kept)
