"""The compose file of seed 000, unchanged, reached from anywhere by its public name: at home, and after it moved."""

import shutil
import subprocess
import urllib.parse
import uuid
from collections.abc import Iterator

import pytest

from e2e.beyond import DOMAIN, Beyond, beyond
from e2e.world import eventually

pytestmark = [pytest.mark.engine, pytest.mark.netns, pytest.mark.acme, pytest.mark.timeout(600)]

PASSWORD = "correct horse battery staple"


@pytest.fixture
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beyond]:
    folder = tmp_path_factory.mktemp("b")
    try:
        with beyond(folder) as made:
            made.world.start_device("loft", "--passphrase-file", str(folder / "passphrase"))
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_an_app_that_moves_is_reached_by_its_name_with_the_certificate_that_it_had(far: Beyond) -> None:
    home = far.world
    added = home.ok("link", "gateway", "add", far.gateway_url, "--fingerprint", far.fingerprint)
    far.at_gateway("allow", added["hive_key"], "--domain", DOMAIN)
    home.ok("link", "gateway", "add", far.gateway_url, "--fingerprint", far.fingerprint)
    home.ok("install", "element", "--device", "home")
    made = home.ok("link", "add", "element", "--label", "quiet-fox")
    far.name = made["names"][0]["name"]
    assert far.name == f"element.quiet-fox.{DOMAIN}"
    reached(far)
    before = far.visit("/")
    assert (before.status, far.orders()) == (200, 1)
    register_alice()
    token = log_in(far)
    room = far.matrix("createRoom", {"preset": "private_chat"}, token=token)["room_id"]
    say(far, token, room, "hello from home")

    home.ok("move", "element", "--to", "loft")

    reached(far)
    assert home.installation("element")["device"] == home.device_id("loft")
    after = far.visit("/")
    assert (after.status, after.serial, far.orders()) == (200, before.serial, 1), far.told()
    assert messages(far, token, room) == ["hello from home"]
    home.ok("uninstall", "element", "--yes")


def reached(far: Beyond) -> None:
    try:
        eventually(far.is_reached, "the app is reached by its public name", seconds=120)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{far.told()}") from None


def register_alice() -> None:
    """Make a user in the app, as its owner does."""
    found = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", "label=com.docker.compose.service=synapse"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()[0]  # fmt: skip
    words = ("register_new_matrix_user", "--config", "/data/homeserver.yaml", "--user", "alice", "--password", PASSWORD)
    subprocess.run(
        ["docker", "exec", found, *words, "--no-admin", "http://localhost:8008"],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip


def log_in(far: Beyond) -> str:
    user = {"type": "m.id.user", "user": "alice"}
    asked = {"type": "m.login.password", "identifier": user, "password": PASSWORD}
    return str(far.matrix("login", asked)["access_token"])


def say(far: Beyond, token: str, room: str, text: str) -> None:
    path = f"rooms/{urllib.parse.quote(room)}/send/m.room.message/{uuid.uuid4().hex}"
    far.matrix(path, {"msgtype": "m.text", "body": text}, method="PUT", token=token)


def messages(far: Beyond, token: str, room: str) -> list[str]:
    path = f"rooms/{urllib.parse.quote(room)}/messages?dir=b&limit=20"
    chunk = far.matrix(path, method="GET", token=token)["chunk"]
    return [event["content"]["body"] for event in chunk if event["type"] == "m.room.message"]
