"""The compose file of seed 000, unchanged: a chat server with its link moves with users, keys and messages."""

import json
import subprocess
import urllib.parse
import uuid

import pytest

from e2e.world import EXAMPLES, World, eventually, fetch
from support.ran import Json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PASSWORD = "correct horse battery staple"


def front(world: World) -> str:
    """Return the app's address by name, as the Device tells it."""
    url: str = world.report("element")["url"]
    return url.rstrip("/")


def container(service: str) -> str:
    """Return the running container of a service of this app."""
    return subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"label=com.docker.compose.service={service}"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()[0]  # fmt: skip


def matrix(world: World, path: str, body: object = None, *, method: str = "POST", token: str = "") -> Json:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    encoded = None if body is None else json.dumps(body).encode()
    found = fetch(f"{front(world)}/_matrix/client/v3/{path}", method=method, body=encoded, headers=headers)
    assert isinstance(found, dict)
    return found


def log_in(world: World) -> str:
    user = {"type": "m.id.user", "user": "alice"}
    asked = {"type": "m.login.password", "identifier": user, "password": PASSWORD}
    return str(matrix(world, "login", asked)["access_token"])


def messages(world: World, token: str, room: str) -> list[str]:
    path = f"rooms/{urllib.parse.quote(room)}/messages?dir=b&limit=20"
    chunk = matrix(world, path, method="GET", token=token)["chunk"]
    return [event["content"]["body"] for event in chunk if event["type"] == "m.room.message"]


def test_the_file_is_the_seeds_word_for_word() -> None:
    compose = (EXAMPLES / "element" / "docker-compose.yml").read_text()
    for line in ("$LINK_DOMAIN_DEFAULT", "$LINK_TOKEN_DEFAULT", "$APP_VOLUME_NAME", "$LINK_VOLUME_NAME"):
        assert line in compose


def test_a_message_is_read_after_the_move(attic: World) -> None:
    attic.ok("install", "element", "--device", "home")
    subprocess.run(
        ["docker", "exec", container("synapse"), "register_new_matrix_user", "--config", "/data/homeserver.yaml",
         "--user", "alice", "--password", PASSWORD, "--no-admin", "http://localhost:8008"],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    token = log_in(attic)
    room = matrix(attic, "createRoom", {"preset": "private_chat"}, token=token)["room_id"]
    path = f"rooms/{urllib.parse.quote(room)}/send/m.room.message/{uuid.uuid4().hex}"
    matrix(attic, path, {"msgtype": "m.text", "body": "hello from home"}, method="PUT", token=token)

    attic.ok("move", "element", "--to", "attic")

    eventually(lambda: messages(attic, token, room), "the message is read", seconds=60)
    assert messages(attic, token, room) == ["hello from home"]
    assert messages(attic, log_in(attic), room) == ["hello from home"]
    attic.ok("uninstall", "element", "--yes")
