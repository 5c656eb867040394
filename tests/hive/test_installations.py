"""An app from install to trash and back, on Devices that speak the real channel."""

from collections.abc import Callable

from support.fake_device import FakeDevice
from support.running_hive import Owner
from support.waiting import eventually

Join = Callable[[str], FakeDevice]


def settled(owner: Owner, name: str = "notes") -> None:
    eventually(lambda: owner.installation(name).phase == "settled")


def test_an_installed_app_settles_on_its_device(owner: Owner, joined: Join) -> None:
    attic = joined("attic")
    made = owner.install()
    settled(owner)
    found = owner.installation()
    assert (found.name, found.device, found.health.word) == ("notes", attic.id, "Running well")
    assert found.data_health is not None and found.data_health.word == "Replicated"
    assert attic.local[made.installation].phase == "running"


def test_a_planned_move_takes_the_app_and_its_data_along(owner: Owner, joined: Join) -> None:
    attic, cellar = joined("attic"), joined("cellar")
    made = owner.install(device="attic")
    settled(owner)
    last = attic.commit(made.installation)
    owner.move("cellar")
    eventually(lambda: owner.installation().device == cellar.id and owner.installation().phase == "settled")
    assert attic.local[made.installation].phase in ("released", "dropped") if made.installation in attic.local else True
    assert cellar.local[made.installation].volumes["data"].seq > 2
    eventually(lambda: made.installation not in attic.local)
    assert last is not None
