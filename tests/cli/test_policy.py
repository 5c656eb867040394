"""Granting what policy refuses: signed by the owner key in the command, and nowhere else."""

import json
from collections.abc import Callable

import pytest

from cli.conftest import FakeHive
from cli.samples import installation
from mosaic.crypto import grants
from mosaic.crypto.account import Made
from mosaic.wire.api import Policy
from mosaic.wire.grants import PolicyGrant
from support.ran import Ran
from support.running_hive import PASSPHRASE

Mosaic = Callable[..., Ran]
POLICY = "/api/installations/notes/policy"


@pytest.fixture
def with_keys(with_keys: FakeHive) -> FakeHive:
    with_keys.answers["POST /api/installations"] = installation()
    with_keys.answers[f"GET {POLICY}"] = Policy("notes", ["privileged"], ["device:/dev/kvm", "privileged"])
    with_keys.answers[f"PUT {POLICY}"] = Policy("notes", [], [])
    return with_keys


def is_the_owners(sent: object, made: Made, *keys: str, name: str) -> bool:
    assert isinstance(sent, dict)
    grant = PolicyGrant(**sent)
    assert grant.keys == list(keys)
    owner = made.opened.owner_key
    return grants.is_signed(keys, grant.signature, owner_key=owner, account="account", name=name)


def test_install_signs_the_grants_for_the_name_that_it_gives(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str
) -> None:
    asked = ["--grant", "privileged", "--grant", "device:/dev/kvm", "--passphrase-file", words_file, "--no-wait"]
    assert mosaic("install", "notes", "--name", "diary", *asked).code == 0
    sent = with_keys.asked[-1][1]
    assert is_the_owners(sent["grant"], made, "device:/dev/kvm", "privileged", name="diary")
    assert not any(word in json.dumps(sent) for word in PASSPHRASE.split())


def test_install_without_a_grant_asks_for_no_passphrase(mosaic: Mosaic, with_keys: FakeHive) -> None:
    assert mosaic("install", "notes", "--no-wait").code == 0
    assert with_keys.asked[-1][1]["grant"] is None


def test_policy_lists_what_is_granted_and_what_is_not(mosaic: Mosaic, with_keys: FakeHive) -> None:
    ran = mosaic("policy", "notes")
    assert ran.code == 0
    assert ran.stdout.splitlines() == ["notes", "  granted:      privileged", "  not granted:  device:/dev/kvm"]


def test_policy_adds_to_what_is_granted_and_takes_back(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str
) -> None:
    assert mosaic("policy", "notes", "--grant", "device:/dev/kvm", "--passphrase-file", words_file).code == 0
    assert is_the_owners(with_keys.asked[-1][1], made, "device:/dev/kvm", "privileged", name="notes")
    assert mosaic("policy", "notes", "--revoke", "privileged", "--passphrase-file", words_file).code == 0
    assert is_the_owners(with_keys.asked[-1][1], made, name="notes")


@pytest.mark.parametrize(
    ("words_of", "said"),
    [
        (["policy", "notes", "--grant", "priviledged"], "does not ask for"),
        (["policy", "notes", "--revoke", "device:/dev/kvm"], "is not granted"),
        (["policy", "notes", "--grant", "device:/dev/kvm"], "no terminal"),
        (["install", "notes", "--grant", "two\nlines"], "cannot be granted"),
    ],
)
def test_a_slip_is_refused_and_nothing_is_sent(
    mosaic: Mosaic, with_keys: FakeHive, words_of: list[str], said: str
) -> None:
    ran = mosaic(*words_of)
    assert (ran.code, len(ran.stderr.splitlines())) == (1, 2)
    assert said in ran.stderr
    assert not any(request.startswith(("PUT", "POST")) for request, _ in with_keys.asked)
