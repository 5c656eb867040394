"""The LAN front, with a real Caddy, in a process that is not the Device's."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from mosaic.adapters import caddy
from mosaic.adapters.caddy import CaddySilent, CaddyTooOld
from mosaic.adapters.free_port import is_free
from mosaic.adapters.process import ProgramMissing
from mosaic.device import checks, front
from mosaic.device.checks import check_front
from mosaic.device.config import DeviceConfig
from mosaic.device.front import Front, NoFrontPort
from mosaic.device.front_folder import FrontEnded
from mosaic.device.records import Records
from support.fronts import OneFront, one_front
from support.visitors import App, app, asked, staying, visiting
from support.waiting import eventually

ENOUGH = 20
"""Requests that are answered before something happens, and after it."""


@pytest.fixture
def web() -> Iterator[App]:
    with app() as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[OneFront]:
    with one_front(tmp_path / "state") as made:
        yield made


@pytest.mark.engine
def test_a_name_leads_to_its_app_and_any_other_to_the_list(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})

    assert asked(port, "notes.localhost") == (200, f"page for notes.localhost:{port}")
    status, page = asked(port, "other.localhost")
    assert status == 404 and f"http://notes.localhost:{port}/" in page


@pytest.mark.engine
def test_a_closed_entrance_asks_to_come_back_and_goes_on_asking_without_a_device(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port}, closed=["notes"])
    one.kill_device()

    status, page = asked(port, "notes.localhost")
    assert status == 503 and "notes is being updated" in page
    status, page = asked(port, "other.localhost")
    assert status == 404 and f"http://notes.localhost:{port}/" in page


@pytest.mark.engine
def test_no_request_is_lost_while_the_device_is_killed_and_started_again(one: OneFront, web: App) -> None:
    routes = {"notes": web.port, "blog": web.port}
    port = one.tell(routes)
    with visiting(port, "notes.localhost") as visits, staying(port, "notes.localhost", web) as stays:
        for _ in range(2):
            one.kill_device()
            visits.wait_for(ENOUGH)
            assert one.tell(routes) == port
            visits.wait_for(ENOUGH)
    assert visits.lost == [] and stays.lost == []


@pytest.mark.engine
def test_a_websocket_and_a_download_go_on_when_another_app_comes(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    with staying(port, "notes.localhost", web) as stays:
        one.kill_device()
        one.tell({"notes": web.port, "blog": web.port})
        assert asked(port, "blog.localhost")[0] == 200
    assert stays.lost == []


@pytest.mark.engine
def test_a_front_that_was_killed_answers_as_before_though_no_device_runs(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    one.kill_device()
    one.kill()
    assert one.folder.admin.exists(), "its socket is left behind"
    one.start_again(port)

    assert asked(port, "notes.localhost")[0] == 200


@pytest.mark.engine
def test_a_front_that_was_killed_hears_of_its_device_what_is_new(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    one.kill_device()
    one.kill()
    one.start()

    assert one.tell({"blog": web.port}) == port
    assert (asked(port, "notes.localhost")[0], asked(port, "blog.localhost")[0]) == (404, 200)


@pytest.mark.engine
@pytest.mark.parametrize("kept", [b"{", b"[]", b'{"apps":{"http":{"servers":{"front":{"listen":[]}}}}}', b"\xff"])
def test_routes_that_cannot_be_read_are_told_anew(tmp_path: Path, web: App, kept: bytes) -> None:
    with one_front(tmp_path / "state", runs=False) as one:
        one.folder.path.mkdir()
        one.folder.kept.write_bytes(kept)
        one.start()
        assert asked(one.tell({"notes": web.port}), "notes.localhost")[0] == 200


@pytest.mark.engine
def test_names_answer_though_their_routes_cannot_be_kept_and_they_are_once_they_can(one: OneFront, web: App) -> None:
    # What a full disk does to whoever writes there.
    in_the_way = one.folder.kept.with_name("routes.json.new")
    in_the_way.mkdir()
    assert asked(one.tell({"notes": web.port}), "notes.localhost")[0] == 200
    assert not one.folder.kept.exists()
    in_the_way.rmdir()
    eventually(one.folder.kept.exists, seen=lambda: one.log)


@pytest.mark.engine
def test_a_second_front_leaves_the_first_ones_socket_alone(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    second = OneFront(one.state)
    second.start()
    eventually(second.has_ended)

    assert "a LAN front already runs" in one.log
    assert one.port == port and asked(port, "notes.localhost")[0] == 200


@pytest.mark.engine
def test_two_devices_of_one_machine_have_a_port_each(tmp_path: Path) -> None:
    with app() as mine, app() as theirs, one_front(tmp_path / "a") as one, one_front(tmp_path / "b") as other:
        # Both begin at once: Caddy would share a port with another Caddy.
        one.begin_to_tell({"notes": mine.port})
        other.begin_to_tell({"notes": theirs.port})
        ports = one.told(), other.told()

        assert ports[0] != ports[1]
        assert [asked(port, "notes.localhost")[1] for port in ports] == [
            f"page for notes.localhost:{port}" for port in ports
        ]


@pytest.mark.engine
def test_a_port_that_another_program_took_is_left_to_it_and_the_device_says_where_apps_are_now(
    one: OneFront, web: App
) -> None:
    port = one.tell({"notes": web.port})
    one.kill_device()
    one.kill()
    with socket.create_server(("127.0.0.1", port)):
        one.start()
        now = one.tell({"notes": web.port})

    assert now != port and asked(now, "notes.localhost")[0] == 200
    assert f"another program has port {port}" in one.log and "front-port-taken" in one.log


@pytest.mark.engine
def test_with_no_port_left_the_device_says_so(one: OneFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, Records(tmp_path / "ledger") as records:
        monkeypatch.setattr(front, "FIRST_PORT", taken.getsockname()[1])
        monkeypatch.setattr(front, "LAST_PORT", taken.getsockname()[1])
        made = Front(DeviceConfig("a", tmp_path, tmp_path / "s", front=one.folder.path), records, dict)
        with pytest.raises(NoFrontPort):
            anyio.run(made.refresh)
    assert made.port is None and one.port is None


@pytest.mark.engine
def test_a_front_whose_device_was_removed_ends_and_is_not_started_again(one: OneFront, web: App) -> None:
    port = one.tell({"notes": web.port})
    one.kill_device()
    with Records(one.state / "ledger") as records:
        anyio.run(Front(DeviceConfig("a", one.state, one.state / "s", front=one.folder.path), records, dict).end)
    eventually(one.has_ended)
    assert is_free("tcp", port)

    one.start()
    assert one.child is not None and one.child.wait(60) == 3
    assert "was removed" in one.log

    one.folder.wanted()
    one.start()
    assert one.answers()


@pytest.mark.engine
def test_doctor_says_where_the_front_answers_and_why_it_does_not(
    one: OneFront, web: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "FRONT_WAIT_SECONDS", 0)
    port = one.tell({"notes": web.port})
    assert anyio.run(check_front, one.folder, "caddy") == f"Caddy answers at port {port}"
    one.kill_device()
    one.kill()
    with pytest.raises(CaddySilent):
        anyio.run(check_front, one.folder, "caddy")
    with pytest.raises(ProgramMissing):
        anyio.run(check_front, one.folder, "no-such-caddy")
    one.folder.end()
    with pytest.raises(FrontEnded):
        anyio.run(check_front, one.folder, "caddy")


def test_without_caddy_the_front_ends_for_good_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_CADDY", "no-such-caddy")
    # The path of a socket has room for a hundred bytes, and not for a test's name.
    with TemporaryDirectory(prefix="mosaic-") as short, one_front(Path(short)) as one:
        assert one.child is not None and one.child.wait(60) == 3
        assert "'no-such-caddy' is not installed" in one.log


@pytest.mark.engine
def test_only_root_may_tell_the_front_and_by_no_port(one: OneFront) -> None:
    one.tell({})
    assert one.folder.admin.stat().st_mode & 0o777 == 0o600
    assert one.folder.path.stat().st_mode & 0o077 == 0
    assert one.child is not None
    inodes = {str(file.readlink()) for file in Path(f"/proc/{one.child.pid}/fd").iterdir() if file.exists()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listens = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
    assert len(listens) == 1 and listens[0].startswith("0100007F:"), "the visitors' port on loopback alone"


def test_a_device_without_a_front_is_not_told_of_one(tmp_path: Path) -> None:
    with Records(tmp_path / "ledger") as records:
        front = Front(DeviceConfig("a", tmp_path, tmp_path / "s"), records, dict)
        anyio.run(front.run)

    assert front.port is None


def test_a_closed_entrance_says_when_to_come_back() -> None:
    written = caddy.write(caddy.front(Path("/s"), 8480, {"notes": 1, "blog": 2}, {"notes"}))
    assert written.count(b'"Retry-After":["10"]') == 1
    assert b"127.0.0.1:1" not in written and b"127.0.0.1:2" in written


def test_what_was_kept_is_taken_up_with_the_socket_of_now() -> None:
    kept = caddy.front(Path("/before/admin.sock"), 8480, {"notes": 1})
    now = caddy.front(Path("/now/admin.sock"), 8480, {"notes": 1})
    assert caddy.resumed(caddy.write(kept), Path("/now/admin.sock")) == (now, 8480)
    assert caddy.resumed(caddy.write(caddy.idle(Path("/s"))), Path("/s")) is None


@pytest.mark.parametrize("printed", ["2.6.4", "v1.0.5 h1:x", "", "unknown"])
def test_an_old_caddy_is_refused(printed: str) -> None:
    with pytest.raises(CaddyTooOld):
        caddy.check_version(printed)


@pytest.mark.parametrize("printed", ["2.7.0", "v2.11.2 h1:x", "3.0.0"])
def test_a_newer_caddy_is_taken(printed: str) -> None:
    caddy.check_version(printed)


def test_names_are_escaped_in_the_list() -> None:
    assert b'<li><a href=\\"http://&lt;b&gt;.' in caddy.write(caddy.front(Path("/s"), 8480, {"<b>": 1}))
