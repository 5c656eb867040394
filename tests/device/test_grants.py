"""The owner alone widens what an app may do: a Device believes no grant that the owner did not sign."""

import json
from pathlib import Path
from typing import TypedDict, Unpack

import pytest

from mosaic.crypto import grants
from mosaic.crypto.secret import Secret
from support.device_world import ACCOUNT, COMPOSE, NOTES, World, assignment, wants

ASKS = COMPOSE.replace("image: web:1", "image: web:1\n    cap_add: [SYS_NICE]\n    devices: ['/dev/ttyUSB0']")
KEYS = ["capability:SYS_NICE", "device:/dev/ttyUSB0"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Grant(TypedDict):
    """What an assignment says of a grant."""

    grants: list[str]
    grant_proof: str


def granted(world: World, *, seed: Secret | None = None, account: str = ACCOUNT, name: str = "notes") -> Grant:
    grant = grants.sign(seed or world.owner_seed, account=account, name=name, keys=KEYS)
    return {"grants": grant.keys, "grant_proof": grant.signature}


def problem_of(world: World, **grant: Unpack[Grant]) -> tuple[str, str]:
    after = world.run(wants(assignment(world.publish(ASKS), "run", **grant))).report()
    assert after.phase == "failed"
    assert after.problem is not None
    assert not world.hive.registered and not world.engine.docker_volumes and not world.engine.running
    assert "`mosaic policy notes --grant" in after.problem.hint
    return after.problem.code, after.problem.message


def test_what_the_owner_signed_is_granted(world: World) -> None:
    after = world.run(wants(assignment(world.publish(ASKS), "run", **granted(world)))).report()
    assert (after.phase, after.healthy) == ("running", True)
    rendered = json.loads((world.config.projects / NOTES / "compose.json").read_text())
    assert rendered["services"]["web"]["cap_add"] == ["SYS_NICE"]


def test_a_hive_that_forges_a_grant_widens_nothing(world: World) -> None:
    """Design 2: a compromised Hive cannot widen what an app may do."""
    forged = granted(world, seed=Secret(bytes(32)))
    code, message = problem_of(world, **forged)
    assert code == "policy-refused"
    assert "not signed by its owner" in message


@pytest.mark.parametrize("proof", ["", "00", "not hex", "00" * 64])
def test_a_grant_without_a_signature_counts_for_nothing(world: World, proof: str) -> None:
    assert "not signed by its owner" in problem_of(world, grants=KEYS, grant_proof=proof)[1]


def test_a_grant_to_another_installation_or_account_counts_for_nothing(world: World) -> None:
    assert "not signed by its owner" in problem_of(world, **granted(world, name="other"))[1]
    assert "not signed by its owner" in problem_of(world, **granted(world, account="somebodyelse"))[1]


def test_a_signature_over_less_grants_not_one_key_more(world: World) -> None:
    less = grants.sign(world.owner_seed, account=ACCOUNT, name="notes", keys=KEYS[:1])
    assert "not signed by its owner" in problem_of(world, grants=KEYS, grant_proof=less.signature)[1]


def test_a_grant_of_some_names_what_is_still_missing(world: World) -> None:
    some = grants.sign(world.owner_seed, account=ACCOUNT, name="notes", keys=KEYS[:1])
    _, message = problem_of(world, grants=some.keys, grant_proof=some.signature)
    assert "ttyUSB0" in message and "SYS_NICE" not in message and "not signed" not in message


def test_a_grant_that_was_taken_back_stops_the_app(world: World) -> None:
    digest = world.publish(ASKS)
    world.run(wants(assignment(digest, "run", **granted(world))))
    none = grants.sign(world.owner_seed, account=ACCOUNT, name="notes", keys=[])
    kept = list(world.hive.registered.values())
    after = world.run(
        wants(assignment(digest, "run", config_revision=2, volumes=kept, grant_proof=none.signature), revision=2)
    ).report()
    assert after.problem is not None and after.problem.code == "policy-refused"
    assert not world.engine.running
