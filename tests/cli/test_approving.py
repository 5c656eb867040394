"""Approving an app that nobody signed: by the owner key in the command, and nowhere else."""

import json
from collections.abc import Callable

import pytest

from cli.conftest import FakeHive
from cli.samples import installation
from mosaic.crypto import approvals
from mosaic.crypto.account import Made
from mosaic.wire.api import CatalogApp
from support.ran import Ran
from support.running_hive import PASSPHRASE

Mosaic = Callable[..., Ran]
DIGEST = "sha256:" + "7" * 64
APPROVAL = "/api/installations/abc/approval"


@pytest.fixture
def with_keys(with_keys: FakeHive) -> FakeHive:
    with_keys.answers["GET /api/catalog"] = [
        CatalogApp("notes", "Notes", "", DIGEST, ["web"]),
        CatalogApp("team/notes", "Notes", "", "sha256:" + "8" * 64, ["web"], source="team"),
        CatalogApp("broken", "Broken", "", "", [], problem="it is"),
    ]
    with_keys.answers["GET /api/installations/notes"] = installation()
    with_keys.answers["POST /api/installations"] = installation()
    with_keys.answers[f"PUT {APPROVAL}"] = installation()
    return with_keys


def is_the_owners(signed: object, made: Made, *, digest: str, app: str = "notes") -> bool:
    assert isinstance(signed, dict)
    assert signed["digest"] == digest
    key, signature = made.opened.owner_key, signed["signature"]
    return approvals.is_approved(signature, owner_key=key, account="account", app=app, digest=digest)


@pytest.mark.parametrize(("app", "digest"), [("notes", DIGEST), ("team/notes", "sha256:" + "8" * 64)])
def test_install_signs_what_the_catalog_has_under_its_own_name(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str, app: str, digest: str
) -> None:
    ran = mosaic("install", app, "--approve", "--passphrase-file", words_file, "--no-wait", "--name", "diary")
    assert ran.code == 0
    request, sent = with_keys.asked[-1]
    assert request == "POST /api/installations"
    assert is_the_owners(sent["approval"], made, digest=digest)
    assert not any(word in json.dumps(sent) for word in PASSPHRASE.split())


def test_install_without_it_asks_for_no_passphrase_and_signs_nothing(mosaic: Mosaic, with_keys: FakeHive) -> None:
    assert mosaic("install", "notes", "--no-wait").code == 0
    assert with_keys.asked[-1][1]["approval"] is None


def test_one_passphrase_is_enough_for_a_grant_and_an_approval(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str
) -> None:
    asked = ["install", "notes", "--approve", "--grant", "privileged", "--passphrase-file", words_file, "--no-wait"]
    assert mosaic(*asked).code == 0
    assert [request for request, _ in with_keys.asked].count("GET /api/account") == 1
    assert with_keys.asked[-1][1]["grant"]["keys"] == ["privileged"]


@pytest.mark.parametrize("app", ["unknown", "broken"])
def test_of_what_the_catalog_does_not_have_nothing_is_signed_and_the_hive_says_why(
    mosaic: Mosaic, with_keys: FakeHive, app: str
) -> None:
    assert mosaic("install", app, "--approve", "--no-wait").code == 0
    assert with_keys.asked[-1][1]["approval"] is None


def test_policy_approves_the_version_that_is_installed(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str
) -> None:
    ran = mosaic("policy", "notes", "--approve", "--passphrase-file", words_file)
    assert (ran.code, "is approved" in ran.stdout) == (0, True)
    request, sent = with_keys.asked[-1]
    assert request == f"PUT {APPROVAL}"
    assert is_the_owners(sent, made, digest=installation().app_digest)


@pytest.mark.parametrize("more", [["--grant", "privileged"], ["--revoke", "privileged"], ["--keep", "default"]])
def test_an_approval_is_asked_for_alone(mosaic: Mosaic, with_keys: FakeHive, more: list[str]) -> None:
    assert mosaic("policy", "notes", "--approve", *more).code == 2
    assert with_keys.asked == []
