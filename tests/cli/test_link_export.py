"""Links carried to another gateway in a file, typed at a real Hive and at a real gateway that it does not use."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from mosaic.cli import credentials
from mosaic.core.ids import LinkId
from mosaic.crypto import link_exports, link_tokens, signing
from mosaic.wire.link_api import Link
from mosaic.wire.link_export import ExportedLink, LinkExport, SignedLinkExport
from mosaic.wire.links import DesiredLink, PublicPort, TokenHash
from support.gateway_world import MadeLink, Refusal, RunningGateway, Session, config_of, running_gateway
from support.link_world import LinkWorld, link_world
from support.pushed_gateway import BASE
from support.ran import Ran
from support.second_account import second_account
from support.waiting import eventually

pytestmark = pytest.mark.long

Mosaic = Callable[..., Ran]
DOMAIN = "notes.example.com"


@pytest.fixture
def world(tmp_path: Path, config_folder: Path) -> Iterator[LinkWorld]:
    with link_world(tmp_path) as made:
        known = made.owner.logged_in
        credentials.save(
            credentials.Credentials(made.hive.url, known.token, known.account, "ada", made.own().key.public)
        )
        yield made


@pytest.fixture
def gateway(world: LinkWorld, tmp_path: Path) -> Iterator[RunningGateway]:
    """One that the Hive does not use."""
    with running_gateway(config_of(tmp_path), world.clock) as made:
        yield made


def at_gateway(folder: Path) -> list[str]:
    return ["--state", str(folder / "one"), "--database", f"sqlite:///{folder}/group.db"]


def linked(world: LinkWorld) -> Link:
    """Make a link that is whole: a proved domain, and a token."""
    world.write_txt(DOMAIN)
    link = world.add(DOMAIN, label="brave-otter")
    eventually(lambda: world.link().token_known and world.link().gateways[0].taken)
    return link


def come(world: LinkWorld, link: Link, gateway: RunningGateway) -> list[str]:
    """Register as the link's container does with the token of its Device, and return the names that lead there."""
    token = str(link_tokens.derive(world.device.root, LinkId(link.id), 1))
    made = MadeLink(DesiredLink(0, "ada", [], []), "")
    return Session(made, token, epoch=world.owner.installation().epoch).register(gateway).names


def test_a_link_goes_on_at_a_gateway_that_took_its_file_in_without_the_hive(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path
) -> None:
    link, file = linked(world), tmp_path / "links.json"
    wrote = mosaic("link", "export", "--to", str(file))
    assert wrote.stdout.startswith(f"1 link in {file}. Another gateway takes it in: `mosaic gateway import")
    assert file.stat().st_mode & 0o777 == 0o600
    secret = link_tokens.derive(world.device.root, LinkId(link.id), 1)
    assert link_tokens.hash_of(secret) in file.read_text() and secret.secret not in file.read_text()
    key = world.own().key.public
    world.hive.stop()
    stranger = mosaic("gateway", "import", str(file), *at_gateway(tmp_path))
    assert stranger.code == 1 and f"`mosaic gateway allow {key} --domain DOMAIN`" in stranger.stderr
    assert mosaic("gateway", "allow", key, "--domain", BASE, *at_gateway(tmp_path)).code == 0
    for _ in range(2):
        taken = mosaic("gateway", "import", str(file), *at_gateway(tmp_path))
        assert taken.code == 0 and f"notes.brave-otter.{BASE}, {DOMAIN}" in taken.stdout, taken.stderr
    world.hive.start()
    names = come(world, link, gateway)
    assert set(names) == {f"notes.brave-otter.{BASE}", DOMAIN}
    eventually(lambda: set(gateway.parts.router.addresses()) == set(names))


def test_a_link_that_cannot_be_taken_in_keeps_no_other_back(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path
) -> None:
    linked(world)
    file = tmp_path / "links.json"
    mosaic("link", "export", "--to", str(file))
    export = link_exports.read(file.read_bytes())
    foreign = ExportedLink("a" * 12, "photos", "gw", DesiredLink(1, "ada", ["a.of-another.example.net"], []))
    write(world, file, msgspec.structs.replace(export, links=[foreign, *export.links]))
    mosaic("gateway", "allow", export.hive, "--domain", BASE, *at_gateway(tmp_path))
    mosaic("gateway", "allow", "ab" * 32, "--domain", "of-another.example.net", *at_gateway(tmp_path))
    taken = mosaic("gateway", "import", str(file), *at_gateway(tmp_path))
    assert taken.code == 1 and "1 of these links are not taken in; the others are" in taken.stderr
    as_json = mosaic("gateway", "import", str(file), *at_gateway(tmp_path), "--json")
    assert as_json.code == 1
    refused, well = json.loads(as_json.stdout)["links"]
    assert "another Hive's domain" in refused["problem"] and well["problem"] == ""
    listed = json.loads(mosaic("gateway", "links", *at_gateway(tmp_path), "--json").stdout)
    assert [one["link"]["id"] for one in listed] == [export.links[0].id]


def test_a_file_that_somebody_changed_is_refused_and_nothing_taken_in(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path
) -> None:
    linked(world)
    file = tmp_path / "links.json"
    mosaic("link", "export", "--to", str(file))
    key = world.own().key.public
    mosaic("gateway", "allow", key, "--domain", BASE, *at_gateway(tmp_path))
    file.write_text(file.read_text().replace(DOMAIN, "nodes.example.com"))
    refused = mosaic("gateway", "import", str(file), *at_gateway(tmp_path))
    assert refused.code == 1 and "`mosaic link export --to FILE`" in refused.stderr
    file.write_bytes(b"nonsense")
    assert mosaic("gateway", "import", str(file), *at_gateway(tmp_path)).code == 1
    assert mosaic("gateway", "links", *at_gateway(tmp_path)).stdout == "No link is routed.\n"


def test_what_the_gateway_has_later_or_removed_is_not_undone_by_an_older_file(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path
) -> None:
    link = linked(world)
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    mosaic("link", "export", "--to", str(older))
    world.remove(domain=DOMAIN)
    mosaic("link", "export", "--to", str(newer))
    mosaic("gateway", "allow", world.own().key.public, "--domain", BASE, *at_gateway(tmp_path))
    assert mosaic("gateway", "import", str(newer), *at_gateway(tmp_path)).code == 0
    refused = mosaic("gateway", "import", str(older), *at_gateway(tmp_path))
    assert refused.code == 1 and "has revision" in refused.stdout
    assert come(world, link, gateway) == [f"notes.brave-otter.{BASE}"]
    mosaic("gateway", "disallow", world.own().key.public, *at_gateway(tmp_path))
    mosaic("gateway", "allow", world.own().key.public, "--domain", BASE, *at_gateway(tmp_path))
    assert "was removed" in mosaic("gateway", "import", str(newer), *at_gateway(tmp_path)).stdout
    with pytest.raises(Refusal):
        come(world, link, gateway)


def test_ports_that_the_gateway_before_had_chosen_stay_where_they_are_free(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path
) -> None:
    file, hash_ = tmp_path / "links.json", TokenHash("ab" * 32)
    wanted = DesiredLink(1, "ada", [], [hash_], ports=[PublicPort("tcp", 0, 8460, 25), PublicPort("udp", 0, 8461, 53)])
    had = [PublicPort("tcp", 20777, 8460), PublicPort("udp", 20778, 8461)]
    links = [ExportedLink(one * 12, "mail", "gw", wanted, had) for one in "ab"]
    key = world.own().key.public
    write(world, file, LinkExport(key, 1, links))
    mosaic("gateway", "allow", key, *at_gateway(tmp_path))
    ranged = ("--ports", "20000-29999")
    assert mosaic("gateway", "import", str(file), *at_gateway(tmp_path), *ranged).code == 0
    listed = json.loads(mosaic("gateway", "links", *at_gateway(tmp_path), "--json").stdout)
    ports = [{port["public"] for port in one["link"]["ports"]} for one in listed]
    assert ports[0] == {20777, 20778} and not ports[0] & ports[1]
    # Whoever leaves the range out the next time takes nothing away.
    assert mosaic("gateway", "import", str(file), *at_gateway(tmp_path)).code == 0
    assert json.loads(mosaic("gateway", "links", *at_gateway(tmp_path), "--json").stdout) == listed


def test_a_file_is_taken_into_the_database_that_the_variables_of_the_machine_name(
    mosaic: Mosaic, world: LinkWorld, gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked(world)
    file, key = tmp_path / "links.json", world.own().key.public
    mosaic("link", "export", "--to", str(file))
    mosaic("gateway", "allow", key, "--domain", BASE, *at_gateway(tmp_path))
    monkeypatch.setenv("MOSAIC_GATEWAY_STATE", str(tmp_path / "one"))
    monkeypatch.setenv("MOSAIC_GATEWAY_DATABASE", f"sqlite:///{tmp_path}/group.db")
    taken = mosaic("gateway", "import", str(file))
    assert taken.code == 0, taken.stderr
    assert DOMAIN in mosaic("gateway", "links", *at_gateway(tmp_path)).stdout


def test_the_links_of_all_accounts_are_for_the_one_that_set_the_hive_up(
    mosaic: Mosaic, world: LinkWorld, tmp_path: Path
) -> None:
    linked(world)
    file = tmp_path / "links.json"
    assert json.loads(mosaic("link", "export", "--to", str(file), "--everyone", "--json").stdout)["links"] == 1
    other = second_account(world.hive).logged_in
    credentials.save(credentials.Credentials(world.hive.url, other.token, other.account, "eve", world.own().key.public))
    refused = mosaic("link", "export", "--to", str(file), "--everyone")
    assert refused.code == 1 and "leave `--everyone` out" in refused.stderr
    assert json.loads(mosaic("link", "export", "--to", str(file), "--json").stdout)["links"] == 0
    assert mosaic("link", "export", "--to", str(tmp_path / "nowhere" / "links.json")).code == 1


def test_only_what_a_hive_signed_is_an_export() -> None:
    seed = bytes(32)
    export = LinkExport(signing.public_key(seed), 1, [])
    signed = link_exports.sign(seed, export)
    assert link_exports.read(msgspec.json.encode(signed)) == export
    for changed in (
        msgspec.structs.replace(signed, export=signed.export.replace("1", "2")),
        msgspec.structs.replace(signed, signature="00" * 64),
        msgspec.structs.replace(signed, signature="nonsense"),
        link_exports.sign(bytes([1]) * 32, export),
    ):
        with pytest.raises(link_exports.LinkExportUnreadable):
            link_exports.read(msgspec.json.encode(changed))


def write(world: LinkWorld, file: Path, export: LinkExport) -> None:
    """Write a file that the Hive signed."""
    signed: SignedLinkExport = world.own().key.sign_links(export)
    file.write_bytes(msgspec.json.encode(signed))
