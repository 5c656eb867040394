"""An app's action with a real engine and a real app: a user is registered, and logs in."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from e2e.world import World, eventually, fetch

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PASSWORD = "correct horse battery staple"


def test_a_user_that_is_registered_by_an_action_logs_in(world: World, tmp_path: Path) -> None:
    world.ok("install", "synapse", "--device", "home")
    (tmp_path / "password").write_text(PASSWORD + "\n")
    register = (
        "actions",
        "synapse",
        "register-user",
        "--set",
        "role=user",
        "--secret-file",
        str(tmp_path / "password"),
    )

    assert [one["name"] for one in world.ok("actions", "synapse")] == ["register-user"]
    assert "Success" in world.ok(*register, "--set", "user=ada")["text"]

    asked = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "ada"}, "password": PASSWORD}
    told = eventually(lambda: log_in(world, asked), "ada logs in", seconds=60)
    assert told["user_id"].startswith("@ada:")

    again = world.mosaic(*register, "--set", "user=ada", "--json")
    assert (again.code, "already taken" in again.value["error"]["message"]) == (1, True)
    hostile = world.mosaic(*register, "--set", "user=--admin", "--json")
    assert (hostile.code, "hyphen" in hostile.value["error"]["message"]) == (1, True)

    assert PASSWORD not in world.told()
    assert "home" in world.ok("audit", "verify")["compared"]
    kinds = [(row["entry"]["kind"], row["entry"]["outcome"]) for row in world.ok("audit", "list", "--device", "home")]
    assert ("app-action", "done") in kinds
    assert ("app-action", "failed") in kinds
    world.ok("uninstall", "synapse", "--yes")


def log_in(world: World, asked: Mapping[str, object]) -> dict[str, str]:
    url = f"{world.address('synapse').rstrip('/')}/_matrix/client/v3/login"
    found: dict[str, str] = fetch(url, method="POST", body=json.dumps(asked).encode())
    return found
