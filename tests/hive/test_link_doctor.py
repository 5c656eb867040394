"""Looking at a link with a real gateway, its real router, a DNS and whatever stands at the link's end."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.crypto import ca
from mosaic.crypto.ca import KeyPair
from support.link_ends import answering_link, mute_link, serving_context
from support.public_world import HERE, TARGET, PublicWorld, public_world

pytestmark = pytest.mark.long
ELSEWHERE = "192.0.2.66"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PublicWorld]:
    with public_world(tmp_path) as made:
        yield made


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyPair:
    """An authority that visitors trust."""
    made = ca.make_ca("Authority of the tests", datetime.now(UTC))
    file = tmp_path / "authority.pem"
    file.write_text(made.certificate_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return made


def test_of_a_link_that_is_well_every_check_holds(world: PublicWorld, authority: KeyPair, tmp_path: Path) -> None:
    with answering_link(world.register(), serving_context(tmp_path, authority, world.name)):
        found = world.found()
    assert {check: one.outcome for check, one in found.items()} == dict.fromkeys(found, "well")
    assert found["dns"].said == f"it leads to {TARGET}, at {HERE}"
    assert found["certificate"].said.startswith("trusted, by Authority of the tests, for ")
    assert found["app"].said == "the app answers 200"
    assert found["handshake"].said == "the link is there by TCP alone, without WireGuard"
    assert all(one.remedy == "" for one in found.values())


def test_a_name_that_dns_leads_elsewhere_is_found_with_the_record_to_write(
    world: PublicWorld, authority: KeyPair, tmp_path: Path
) -> None:
    world.lead(world.name, ELSEWHERE)
    with answering_link(world.register(), serving_context(tmp_path, authority, world.name)):
        found = world.found()
    assert [check for check, one in found.items() if one.outcome != "well"] == ["dns"]
    assert found["dns"].outcome == "wrong"
    assert found["dns"].said == f"it leads to {ELSEWHERE}, and {TARGET} is at {HERE}"
    assert f"put into DNS: {world.name}. CNAME {TARGET}., or A and AAAA {HERE}" in found["dns"].remedy


def test_a_name_whose_certificate_is_of_another_is_found_with_whose_it_is(
    world: PublicWorld, authority: KeyPair, tmp_path: Path
) -> None:
    with answering_link(world.register(), serving_context(tmp_path, authority, "photos.example.org")):
        found = world.found()
    assert {check for check, one in found.items() if one.outcome != "well"} == {"certificate", "app"}
    said = "what answers shows a certificate of photos.example.org, by Authority of the tests"
    assert (found["certificate"].outcome, found["certificate"].said) == ("wrong", said)
    assert "`mosaic gateway links`" in found["certificate"].remedy
    assert (found["app"].outcome, found["app"].remedy) == ("unseen", "")


def test_a_link_that_does_not_answer_is_found_and_told_from_one_that_is_not_there(
    world: PublicWorld, authority: KeyPair
) -> None:
    away = world.found()
    assert away["handshake"].outcome == "wrong" and "`mosaic logs notes`" in away["handshake"].remedy
    assert away["tunnel"].outcome == "unseen"
    assert {check for check, one in away.items() if one.outcome == "wrong"} == {"handshake"}
    with mute_link(world.register()):
        mute = world.found()
    assert mute["handshake"].outcome == "well" and mute["tunnel"].outcome == "doubtful"
    assert (mute["certificate"].outcome, mute["app"].outcome) == ("wrong", "unseen")
    assert "nothing comes back: the link does not answer" in mute["certificate"].said
    assert "`mosaic restart notes`" in mute["certificate"].remedy


def test_a_certificate_that_nobody_vouches_for_is_found_and_the_app_asked_all_the_same(
    world: PublicWorld, tmp_path: Path
) -> None:
    unknown = ca.make_ca("Nobody", datetime.now(UTC))
    with answering_link(world.register(), serving_context(tmp_path, unknown, world.name), status=502):
        found = world.found()
    assert found["certificate"].outcome == "wrong" and "by Nobody" in found["certificate"].said
    assert found["app"].said == "the link is there, and notes does not answer it (502)"


def test_a_gateway_that_is_away_is_one_finding_and_what_hangs_on_it_is_not_seen(
    world: PublicWorld, authority: KeyPair
) -> None:
    world.gateway.stop()
    world.parts.routed.close()
    found = world.found()
    assert {check: one.outcome for check, one in found.items()} == {
        "device": "well",
        "gateway": "wrong",
        "handshake": "unseen",
        "tunnel": "unseen",
        "ports": "wrong",
        "dns": "well",
        "certificate": "unseen",
        "app": "unseen",
    }
    assert "does not answer" in found["gateway"].said and "connection refused" in found["ports"].said


def test_a_domain_that_is_not_proved_is_found_with_its_record(world: PublicWorld) -> None:
    domain = "notes.example.com"
    world.world.add(domain)
    proof = world.world.name(domain).proof
    assert proof is not None
    found = {one.check: one for one in world.look().findings if one.name == domain}
    assert found["dns"].outcome == "wrong"
    assert found["dns"].remedy == f'put into DNS: {proof.txt_name}. TXT "{proof.txt_value}"'
    assert {found["certificate"].outcome, found["app"].outcome} == {"unseen"}
