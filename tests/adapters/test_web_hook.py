"""Hooks of forges ring a bell for who knows the secret, and for nobody else; no sender keeps another one waiting."""

import hashlib
import hmac
import http.client
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from mosaic.adapters import web_hook
from mosaic.adapters.web_hook import MOST_BODY_BYTES, HookNotOpen, heard_at
from mosaic.crypto.secret import Secret
from support.waiting import eventually

SECRET = b"a secret of the forge"
BODY = b'{"ref": "refs/heads/main"}'


@dataclass
class World:
    """A listening hook, and how often it rang."""

    address: str = ""
    rings: list[None] = field(default_factory=list)

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), 60)

    def send(self, headers: Mapping[str, str], body: bytes = BODY, *, method: str = "POST") -> int:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request(method, "/hook", body, dict(headers))
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    with heard_at("127.0.0.1", 0, Secret(SECRET), lambda: made.rings.append(None)) as made.address:
        yield made


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_each_way_that_forges_have_of_showing_the_secret_rings(world: World) -> None:
    assert world.send({"X-Hub-Signature-256": signed(BODY)}) == 202
    assert world.send({"X-Gitlab-Token": SECRET.decode()}) == 202
    assert world.send({"Authorization": "Bearer " + SECRET.decode()}) == 202
    assert world.send({"X-Hub-Signature-256": signed(b"")}, b"") == 202
    eventually(lambda: len(world.rings) == 4)


def test_the_documented_signature_of_an_example_is_right() -> None:
    """The values are those that GitHub's documentation gives for trying an implementation."""
    example = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    known = web_hook.is_known({"x-hub-signature-256": example}, b"Hello, World!", Secret(b"It's a Secret to Everybody"))
    assert known


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": signed(b"another body")},
        {"X-Hub-Signature-256": signed(BODY, b"another secret")},
        {"X-Hub-Signature-256": signed(BODY).removeprefix("sha256=")},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": "guess"},
        {"Authorization": "Basic " + SECRET.decode()},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xe9"},
    ],
)
def test_who_does_not_know_the_secret_rings_nothing(world: World, headers: Mapping[str, str]) -> None:
    assert world.send(headers) == 401
    assert world.rings == []


def test_what_is_no_hook_is_turned_away_unread(world: World) -> None:
    token = {"X-Gitlab-Token": SECRET.decode()}
    assert world.send(token, method="GET") == 501
    for head, status in (
        (f"Content-Length: {MOST_BODY_BYTES + 1}", 413),
        ("Content-Length: -1", 411),
        ("Content-Length: 1e3", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2", 411),
        ("X-Nothing: here", 411),
    ):
        with world.connect() as line:
            line.sendall(f"POST / HTTP/1.1\r\nX-Gitlab-Token: {SECRET.decode()}\r\n{head}\r\n\r\n".encode())
            assert line.makefile("rb").readline().split()[1] == str(status).encode()
    assert world.rings == []


def test_a_body_that_breaks_off_rings_nothing(world: World) -> None:
    with world.connect() as line:
        line.sendall(f"POST / HTTP/1.1\r\nX-Gitlab-Token: {SECRET.decode()}\r\nContent-Length: 9\r\n\r\nshort".encode())
        line.shutdown(socket.SHUT_WR)
        assert line.recv(100) == b""
    assert world.rings == []


def test_who_sends_nothing_is_left_and_takes_no_room_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_hook, "_SECONDS", 0.2)
    silent = [world.connect() for _ in range(20)]
    for line in silent:
        assert line.recv(100) == b""
        line.close()

    def is_taken() -> bool:
        try:
            return world.send({"X-Gitlab-Token": SECRET.decode()}) == 202
        except (ConnectionError, http.client.HTTPException):
            return False

    eventually(is_taken)


def test_an_address_that_is_taken_is_said(world: World) -> None:
    port = int(world.address.rpartition(":")[2])
    with pytest.raises(HookNotOpen, match=world.address), heard_at("127.0.0.1", port, Secret(SECRET), lambda: None):
        pass
