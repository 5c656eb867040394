"""`mosaic lan`: what it asks, how it ends, what it says."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from cli.conftest import FakeHive
from cli.samples import DEVICE, device, installation, report
from mosaic.cli.commands import lan
from mosaic.crypto import ca, lan_authority
from mosaic.wire.api import Installation
from mosaic.wire.lan import LanState, LanWish
from mosaic.wire.report import InstallationReport, MachineState, PortBinding, Report
from support.ran import Ran

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]
ROOT = lan_authority.make("Mosaic on cellar", datetime.now(UTC)).root_pem
ON = LanState(LanWish(https=True), [], 9443, ROOT)
OPENED = replace(
    report(),
    ports=[PortBinding("nginx", 80, "tcp", "0.0.0.0", 8080), PortBinding("nginx", 80, "tcp", "::", 8080)],
    secure_url="https://notes.localhost:9443",
    network_urls=["http://192.0.2.7:8080", "http://notes.local:8080"],
)


def app(seen: InstallationReport, *, is_open: bool = False) -> Installation:
    return replace(installation(reports={DEVICE: seen}), open=is_open)


def told(state: LanState) -> Report:
    return Report(0, 0, "", None, MachineState(1, 1, 1, 1, 0.0, "x86_64"), None, [], [], lan=state)


@pytest.fixture
def hive(logged_in: FakeHive) -> FakeHive:
    logged_in.answers["GET /api/devices"] = [replace(device(), last_report_ns=1)]
    logged_in.answers["GET /api/installations"] = [app(report())]
    return logged_in


def reports(hive: FakeHive, *states: LanState) -> None:
    """Have the Hive keep each report in turn, the last one for ever."""
    left = list(states)
    hive.answers[f"GET /api/devices/{DEVICE}/report"] = lambda _: told(left.pop(0) if len(left) > 1 else left[0])


def test_opening_is_watched_until_other_machines_reach_it(mosaic: Mosaic, hive: FakeHive) -> None:
    left = [app(report(), is_open=True), app(OPENED, is_open=True)]
    hive.answers["POST /api/installations/notes/open"] = app(report(), is_open=True)
    hive.answers["GET /api/installations/abc"] = lambda _: left.pop(0) if len(left) > 1 else left[0]
    ran = mosaic("lan", "open", "notes")

    assert ran.code == 0, ran.stderr
    assert hive.asked[0][1] == {"open": True}
    assert [line.strip() for line in ran.stdout.splitlines() if "://" in line] == [
        "http://127.0.0.1:8080",
        "http://notes.localhost:8000",
        "https://notes.localhost:9443",
        "http://192.0.2.7:8080",
        "http://notes.local:8080",
    ]


def test_closing_is_watched_until_nobody_else_reaches_it(mosaic: Mosaic, hive: FakeHive) -> None:
    left = [app(OPENED), app(report())]
    hive.answers["POST /api/installations/notes/open"] = app(OPENED)
    hive.answers["GET /api/installations/abc"] = lambda _: left.pop(0) if len(left) > 1 else left[0]
    ran = mosaic("lan", "close", "notes")

    assert ran.code == 0, ran.stderr
    assert hive.asked[0][1] == {"open": False}
    assert "192.0.2.7" not in ran.stdout and len(left) == 1


def test_an_app_that_is_not_open_is_shown_with_what_opens_it(mosaic: Mosaic, hive: FakeHive) -> None:
    reports(hive, LanState())
    shown = mosaic("lan", "show", "cellar").stdout
    assert "cellar: HTTPS off, names on the network off." in shown
    assert "http://cellar:8080 for other machines, once it is open: mosaic lan open notes" in shown

    hive.answers["GET /api/installations"] = [app(OPENED, is_open=True)]
    shown = mosaic("lan", "show").stdout
    assert "notes: open to the network" in shown and "http://192.0.2.7:8080" in shown and "lan open" not in shown


def test_https_is_watched_until_it_is_there(mosaic: Mosaic, hive: FakeHive) -> None:
    hive.answers[f"PUT /api/devices/{DEVICE}/lan"] = LanState(LanWish(https=True))
    reports(hive, LanState(), LanState(LanWish(https=True)), ON)
    ran = mosaic("lan", "https", "cellar", "on")

    assert ran.code == 0, ran.stderr
    assert [body for line, body in hive.asked if line.startswith("PUT")] == [{"https": True, "names": None}]
    assert "HTTPS at port 9443" in ran.stdout and lan_authority.fingerprint(ROOT) in ran.stdout


def test_names_change_nothing_else(mosaic: Mosaic, hive: FakeHive) -> None:
    hive.answers[f"PUT /api/devices/{DEVICE}/lan"] = LanState(LanWish(names=True))
    reports(hive, LanState(LanWish(names=True)))
    assert mosaic("lan", "names", "cellar", "on").code == 0
    assert [body for line, body in hive.asked if line.startswith("PUT")] == [{"https": None, "names": True}]


def test_a_wish_that_is_not_done_says_why(mosaic: Mosaic, hive: FakeHive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan, "_WAIT_SECONDS", 0.0)
    hive.answers[f"PUT /api/devices/{DEVICE}/lan"] = LanState(LanWish(https=True))
    reports(hive, LanState(LanWish(https=True), problem="no port from 9443 to 9479 is free for the LAN front"))
    ran = mosaic("lan", "https", "cellar", "on")
    assert ran.code == 1 and "no port from 9443 to 9479 is free" in ran.stderr


def test_the_root_is_printed_and_one_that_is_not_there_is_refused(mosaic: Mosaic, hive: FakeHive) -> None:
    reports(hive, ON)
    assert mosaic("lan", "root", "cellar").stdout == ROOT
    assert mosaic("lan", "root", "cellar", "--json").value == {"root": ROOT, "sha256": lan_authority.fingerprint(ROOT)}

    reports(hive, LanState())
    ran = mosaic("lan", "root", "cellar")
    assert ran.code == 1 and "has no HTTPS" in ran.stderr


def test_a_root_that_is_no_certificate_ends_nothing(mosaic: Mosaic, hive: FakeHive) -> None:
    reports(hive, replace(ON, root="\x1b[2Jhello"))
    assert "Its SHA-256: none" in mosaic("lan", "show", "cellar").stdout


def test_a_root_that_may_certify_other_names_is_given_to_nobody(mosaic: Mosaic, hive: FakeHive) -> None:
    other = ca.make_ca("Mosaic on cellar", datetime.now(UTC)).certificate_pem
    for root in (other, ROOT + other, other + ROOT, "\x1b[2Jhello"):
        reports(hive, replace(ON, root=root))
        ran = mosaic("lan", "root", "cellar")
        assert ran.code == 1 and ran.stdout == "" and "trust it nowhere" in ran.stderr
    # What stands around it is not passed on.
    reports(hive, replace(ON, root=f"\x1b[2J\n{ROOT}\nhello"))
    assert mosaic("lan", "root", "cellar").stdout == ROOT
