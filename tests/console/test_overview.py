"""What an installation's page works out of reports."""

import msgspec
import pytest

from console.worlds import ATTIC, NOTES, NOW, RUNNING, STUDY, kept, reported, working
from mosaic.hive.console import overview
from mosaic.wire.report import PortBinding, Step
from mosaic.wire.storage import Replica

replace = msgspec.structs.replace
DEVICES = [ATTIC, STUDY]


def test_only_web_addresses_become_links() -> None:
    sly = reported(replace(RUNNING, url="javascript:alert(1)", ports=[PortBinding("dns", 53, "udp", "0.0.0.0", 53)]))
    assert [address.link for address in overview.of(sly, DEVICES).addresses] == [None, None]


def test_an_address_says_from_where_it_is_reached() -> None:
    by_name, by_port = overview.of(NOTES, DEVICES).addresses
    assert (by_name.link, by_name.reach) == ("http://notes.localhost:8931", "by name, on attic itself")
    assert (by_port.text, by_port.reach) == ("127.0.0.1:31041", "web, its port 80, tcp, on attic only")


def test_an_app_that_is_open_is_shown_where_other_machines_find_it_and_only_web_addresses_become_links() -> None:
    urls = ["http://192.0.2.7:31041", "https://notes.local:9443", "javascript:alert(1)"]
    seen = replace(RUNNING, secure_url="https://notes.localhost:9443", network_urls=urls)
    found = overview.of(reported(seen), DEVICES).addresses[1:5]
    assert [one.text for one in found] == ["https://notes.localhost:9443", *urls]
    assert [one.link for one in found] == ["https://notes.localhost:9443", *urls[:2], None]
    assert [one.reach for one in found] == ["by name, on attic itself", *["from the network"] * 3]


def test_an_app_on_this_machine_is_opened_by_a_name_that_the_consoles_cookie_does_not_reach() -> None:
    by_name, by_port = overview.of(NOTES, DEVICES).addresses
    assert (by_name.link, by_port.link) == ("http://notes.localhost:8931", "http://notes.localhost:31041/")


def test_a_copy_on_the_same_machine_does_not_count_as_replicated() -> None:
    alone = replace(NOTES, volumes=[kept(Replica("hive", True, "replicated", NOW, None))])
    assert overview.of(alone, DEVICES).last_replicated_ns is None


@pytest.mark.parametrize(
    ("phase", "device", "target", "path"),
    [("draining", "d1", "d2", ("attic", "study", False)), ("arriving", "d2", "d1", ("attic", "study", True))],
)
def test_a_move_runs_from_where_it_was_to_where_it_will_be(
    phase: str, device: str, target: str, path: tuple[str, str, bool]
) -> None:
    reports = {"d1": RUNNING, "d2": working(Step("Restore", "now"), phase="restoring")}
    moving = replace(NOTES, phase=phase, device=device, target=target, reports=reports)
    journey = overview.of(moving, DEVICES).journey
    assert journey is not None
    assert (journey.source, journey.target, journey.arrived) == path
    assert journey.work is not None and journey.work.device == "study"


def test_a_fresh_install_is_no_move() -> None:
    assert overview.of(replace(NOTES, phase="arriving"), DEVICES).journey is None


def test_an_installation_whose_device_is_gone_is_said_so() -> None:
    view = overview.of(replace(NOTES, device="gone", reports={}), DEVICES)
    assert (view.device, view.addresses, view.answering) == ("a removed device", (), 0)
