"""The LAN front, with a real Caddy."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from mosaic.adapters import caddy, process
from mosaic.adapters.caddy import Caddy, CaddyTooOld
from mosaic.device.config import DeviceConfig
from mosaic.device.front import Front
from mosaic.device.records import Records


@pytest.fixture
def web() -> Iterator[int]:
    """An app's web port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"page for {self.headers['Host']}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def asked(port: int, host: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/", headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


left_behind: list[process.Child] = []
"""Caddies of killed fronts, to be reaped as an init would."""


def fronts(folder: Path, routes: dict[str, int], *, kill: bool = False) -> tuple[int, tuple[int, str], tuple[int, str]]:
    """Run a front, ask it for the app and for an unknown name, and end it (or leave Caddy behind, as a kill does)."""
    folder.mkdir(exist_ok=True)
    records = Records(folder / "ledger")

    async def main() -> tuple[int, tuple[int, str], tuple[int, str]]:
        front = Front(DeviceConfig("attic", folder, folder / "s"), records, lambda: routes)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(front.run)
                while front.port is None:
                    await anyio.sleep(0.02)
                port = front.port
                app = await anyio.to_thread.run_sync(asked, port, "notes.localhost")
                other = await anyio.to_thread.run_sync(asked, port, "other.localhost")
                tasks.cancel_scope.cancel()
            if not kill:
                await front.stop()
            elif front.child is not None:
                left_behind.append(front.child)
        return port, app, other

    try:
        return anyio.run(main)
    finally:
        records.close()


@pytest.mark.engine
def test_a_name_leads_to_its_app_and_any_other_to_the_list(tmp_path: Path, web: int) -> None:
    port, app, other = fronts(tmp_path, {"notes": web})

    assert app == (200, f"page for notes.localhost:{port}")
    assert other[0] == 404 and f"http://notes.localhost:{port}/" in other[1]


@pytest.mark.engine
def test_a_caddy_that_a_killed_device_left_is_adopted_and_its_port_kept(tmp_path: Path, web: int) -> None:
    first, _, _ = fronts(tmp_path, {}, kill=True)

    second, app, _ = fronts(tmp_path, {"notes": web})

    assert second == first
    assert app[0] == 200
    assert left_behind.pop().wait(60) == 0


@pytest.mark.engine
def test_a_clean_stop_ends_caddy(tmp_path: Path) -> None:
    port, _, _ = fronts(tmp_path, {})

    assert not Caddy(tmp_path / "front" / "admin.sock").answers()
    with pytest.raises(OSError):
        asked(port, "notes.localhost")


def test_without_caddy_the_front_is_off(tmp_path: Path) -> None:
    with Records(tmp_path / "ledger") as records:
        front = Front(DeviceConfig("a", tmp_path, tmp_path / "s", caddy="no-such-caddy"), records, dict)
        anyio.run(front.run)

    assert front.port is None


@pytest.mark.parametrize("printed", ["2.6.4", "v1.0.5 h1:x", "", "unknown"])
def test_an_old_caddy_is_refused(printed: str) -> None:
    with pytest.raises(CaddyTooOld):
        caddy.check_version(printed)


@pytest.mark.parametrize("printed", ["2.7.0", "v2.11.2 h1:x", "3.0.0"])
def test_a_newer_caddy_is_taken(printed: str) -> None:
    caddy.check_version(printed)


def test_names_are_escaped_in_the_list() -> None:
    assert b'<li><a href=\\"http://&lt;b&gt;.' in caddy.write(caddy.front(Path("/s"), 8480, {"<b>": 1}))
