"""An app on its own network: opened, by HTTPS, and closed again, with the real engine and the real Caddy."""

import http.client
import socket
import ssl
from urllib.parse import urlsplit

import pytest

from e2e.world import World, eventually
from mosaic.adapters.lan_interfaces import lan_interfaces

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def name_of(world: World) -> str:
    """Return the name of the sample app."""
    found = world.welcome["apps"][0]["name"]
    assert isinstance(found, str)
    return found


def answers(url: str) -> bool:
    """Whether its health page is there. What is refused is not."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_an_app_that_is_opened_is_reached_by_the_machines_address_until_it_is_closed(world: World) -> None:
    (own,) = [one.address for one in lan_interfaces()][:1] or [pytest.skip("this machine has no network")]
    name = name_of(world)
    port = world.report(name)["ports"][0]["host_port"]
    url = f"http://{own}:{port}"
    assert not answers(url)
    assert f"http://home:{port} for other machines" in world.mosaic("show", name).stdout

    world.ok("lan", "open", name)
    report = world.report(name)
    assert url in report["network_urls"] and report["ports"][0]["host_port"] == port
    eventually(lambda: answers(url), f"{url} answers", seconds=60)
    assert url in world.mosaic("lan", "show", "home").stdout

    world.ok("lan", "close", name)
    assert not answers(url)
    assert world.report(name)["network_urls"] == []
    eventually(lambda: answers(f"http://127.0.0.1:{port}"), "the app answers on its machine", seconds=60)


def test_https_is_trusted_by_the_root_that_the_command_line_gives(world: World) -> None:
    name = name_of(world)
    port = world.ok("lan", "https", "home", "on")["https_port"]
    trust = ssl.create_default_context(cadata=world.ok("lan", "root", "home")["root"])

    def status() -> int:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
                trust.wrap_socket(plain, server_hostname=f"{name}.localhost") as line,
            ):
                line.sendall(f"GET /healthz HTTP/1.1\r\nHost: {name}.localhost:{port}\r\n\r\n".encode())
                answer = http.client.HTTPResponse(line)
                answer.begin()
                return answer.status
        except (OSError, http.client.HTTPException):
            return 0

    eventually(lambda: status() == 200, "the app answers by HTTPS", seconds=60)
    assert world.report(name)["secure_url"] == f"https://{name}.localhost:{port}"
    assert world.ok("lan", "https", "home", "off")["https_port"] is None
    assert status() == 0
