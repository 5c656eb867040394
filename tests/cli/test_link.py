"""`mosaic link`, typed against a real Hive with a gateway and a DNS."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaic.cli import credentials
from support.link_world import LinkWorld, link_world
from support.pushed_gateway import BASE, link_gateway
from support.ran import Ran
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


def test_a_link_is_made_proved_listed_rotated_and_removed(mosaic: Mosaic, world: LinkWorld) -> None:
    assert "There is none yet; `mosaic link add NAME` makes one." in mosaic("link", "list").stdout
    added = mosaic("link", "add", "notes", "--domain", DOMAIN, "--label", "brave-otter")
    own = f"notes.brave-otter.{BASE}"
    assert added.code == 0, added.stderr
    assert f"https://{own}  (good)" in added.stdout and f"https://{DOMAIN}  (waits for its proof)" in added.stdout
    proof = world.name(DOMAIN).proof
    assert proof is not None
    assert f'_link-challenge.{DOMAIN}. TXT "{proof.txt_value}"' in added.stdout
    assert f"{DOMAIN}. CNAME {own}." in added.stdout and proof.txt_value in mosaic("link", "list").stdout
    world.write_txt(DOMAIN)
    proved = mosaic("link", "add", "notes", "--domain", DOMAIN)
    assert f"https://{DOMAIN}  (good)" in proved.stdout and "TXT" not in proved.stdout
    eventually(lambda: world.link().token_known)
    eventually(lambda: "gw waits for the link" in mosaic("link", "list").stdout)
    rotated = mosaic("link", "rotate", "notes")
    assert "notes gets token 2" in rotated.stdout and "stays good for a day" in rotated.stdout
    off = mosaic("link", "remove", "notes", "--domain", DOMAIN)
    assert off.stdout == f"notes is not reached at {DOMAIN} any more.\n"
    refused = mosaic("link", "remove", "notes")
    assert refused.code == 1 and "`mosaic link remove notes --yes`" in refused.stderr
    assert mosaic("link", "remove", "notes", "--yes").code == 0
    gone = mosaic("link", "remove", "notes", "--yes")
    assert gone.code == 1 and "`mosaic link add notes` makes one" in gone.stderr


def test_a_raw_port_is_wished_for_shown_with_what_the_gateway_gave_and_given_back(
    mosaic: Mosaic, world: LinkWorld
) -> None:
    refused = mosaic("link", "port", "add", "notes", "tcp", "25565")
    assert refused.code == 1 and "`mosaic link add notes` makes one" in refused.stderr
    mosaic("link", "add", "notes")
    added = mosaic("link", "port", "add", "notes", "tcp", "25565", "--public", "25565")
    assert added.code == 0, added.stderr
    assert "It leads there when EXPOSE of notes has tcp://25565:SERVICE:PORT." in added.stdout
    eventually(lambda: "leads to tcp://25565" in mosaic("link", "list").stdout)
    assert "tcp://gw.example.net:25565" in mosaic("link", "list").stdout
    refused = mosaic("link", "port", "add", "notes", "tcp", "25", "--public", "25")
    assert refused.code == 1 and "opens ports 20000 to 29999 alone" in refused.stderr
    assert mosaic("link", "port", "add", "notes", "sctp", "25").code == 2
    world.gateway.taken_ports.add(20007)
    mosaic("link", "port", "add", "notes", "udp", "53", "--public", "20007")
    eventually(lambda: "another link has it" in mosaic("link", "list").stdout)
    off = mosaic("link", "port", "remove", "notes", "tcp", "25565", "--json")
    assert json.loads(off.stdout) == {"removed": "tcp:25565"}
    gone = mosaic("link", "port", "remove", "notes", "tcp", "25565")
    assert gone.code == 1 and "`mosaic link list`" in gone.stderr


def test_without_the_name_that_an_app_is_told_it_is_told_the_next_one_and_that_is_asked_first(
    mosaic: Mosaic, world: LinkWorld
) -> None:
    own, other = f"notes.brave-otter.{BASE}", f"journal.brave-otter.{BASE}"
    mosaic("link", "add", "notes", "--label", "brave-otter", "--domain", other)
    refused = mosaic("link", "remove", "notes", "--domain", f"{own.upper()}.")
    assert refused.code == 1 and f"notes is told {other} in place of {own}" in refused.stderr
    assert f"`mosaic link remove notes --domain {own} --yes`" in refused.stderr
    assert [name.name for name in world.link().names] == [own, other]
    off = mosaic("link", "remove", "notes", "--domain", own, "--yes")
    assert off.code == 0 and off.stdout.startswith(f"notes is not reached at {own} any more. notes is told {other}")
    last = mosaic("link", "remove", "notes", "--domain", other)
    assert last.code == 1 and f"notes is told notes.localhost in place of {other}" in last.stderr
    unknown = mosaic("link", "remove", "notes", "--domain", "none.example.com")
    assert unknown.code == 1 and "is no name of notes's link" in unknown.stderr


def test_a_link_is_moved_to_another_gateway_after_it_was_said_what_changes(mosaic: Mosaic, world: LinkWorld) -> None:
    mosaic("link", "add", "notes", "--label", "brave-otter", "--domain", DOMAIN)
    with link_gateway("gw2", "homes.example.org") as other:
        other.now = world.gateway.now
        other.allowed.add(world.own().key.public)
        mosaic("link", "gateway", "add", other.url)
        stays = mosaic("link", "add", "notes", "--gateway", "gw2")
        assert stays.code == 1 and "`mosaic link move notes --to GATEWAY`" in stays.stderr
        refused = mosaic("link", "move", "notes", "--to", "gw2")
        new = "notes.brave-otter.homes.example.org"
        assert refused.code == 1 and "nobody agreed to have gw2 carry the link of notes" in refused.stderr
        assert f"notes.brave-otter.{BASE} ends; https://{new} is given out in its place" in refused.stderr
        assert f"lead {DOMAIN} there, by CNAME to gw2.example.net, or by A and AAAA to 192.0.2.1" in refused.stderr
        moved = mosaic("link", "move", "notes", "--to", "gw2", "--yes")
        assert moved.code == 0 and f"https://{new}  (good)" in moved.stdout, moved.stderr
        again = mosaic("link", "move", "notes", "--to", "gw2", "--yes")
        assert again.code == 1 and "gw2 carries the link of notes already" in again.stderr
        unknown = mosaic("link", "move", "notes", "--to", "nowhere", "--yes")
        assert unknown.code == 1 and "`mosaic link gateway list`" in unknown.stderr
        eventually(lambda: world.link().leaving == [])
        assert mosaic("link", "gateway", "remove", "gw").code == 0


def test_every_answer_is_json_when_it_is_asked_for(mosaic: Mosaic, world: LinkWorld) -> None:
    made = json.loads(mosaic("link", "add", "notes", "--domain", DOMAIN, "--json").stdout)
    assert [name["state"] for name in made["names"]] == ["good", "waiting"]
    assert [one["id"] for one in json.loads(mosaic("link", "list", "--json").stdout)] == [made["id"]]
    assert json.loads(mosaic("link", "rotate", "notes", "--now", "--json").stdout)["id"] == made["id"]
    removed = mosaic("link", "remove", "notes", "--domain", DOMAIN, "--json")
    assert json.loads(removed.stdout) == {"removed": DOMAIN}
    assert json.loads(mosaic("link", "remove", "notes", "--yes", "--json").stdout) == {"removed": made["id"]}
    refused = json.loads(mosaic("link", "add", "notes", "--domain", "nas.local", "--json").stdout)
    assert refused["error"]["code"] == "domain-name-unusable"


def test_a_gateway_that_does_not_know_the_hive_is_told_what_to_type_there(mosaic: Mosaic, world: LinkWorld) -> None:
    world.gateway.allowed.clear()
    added = mosaic("link", "gateway", "add", world.gateway.url)
    key = world.own().key.public
    assert added.code == 0 and f"  mosaic gateway allow {key} --domain DOMAIN" in added.stdout
    refused = mosaic("link", "add", "notes")
    assert refused.code == 1 and f"`mosaic link gateway add {world.gateway.url}`" in refused.stderr
    world.gateway.allowed.add(key)
    again = mosaic("link", "gateway", "add", world.gateway.url)
    assert f"gw carries links of this Hive, under {BASE}." in again.stdout
    assert BASE in mosaic("link", "gateway", "list").stdout
    assert json.loads(mosaic("link", "gateway", "list", "--json").stdout)[0]["hive_key"] == key
    assert mosaic("link", "gateway", "remove", "gw").stdout == "gw is not used any more.\n"
    assert "There is none yet; `mosaic link gateway add URL` adds one." in mosaic("link", "gateway", "list").stdout


def test_a_look_at_a_link_says_what_is_wrong_and_ends_with_how_many_that_is(mosaic: Mosaic, world: LinkWorld) -> None:
    mosaic("link", "add", "notes", "--label", "brave-otter", "--domain", DOMAIN)
    eventually(lambda: world.link().token_known and world.link().gateways[0].taken)
    told = mosaic("link", "doctor", "notes")
    assert told.code == 1 and "hint: mend the first one first; each says what to do" in told.stderr
    assert "✓ device:      its device has made its token" in told.stdout
    assert f"\n{DOMAIN}:\n✗ dns:         nothing in DNS proves that it is yours\n  → put into DNS: _link" in told.stdout
    as_json = mosaic("link", "doctor", "notes", "--json")
    assert as_json.code == 1
    found = json.loads(as_json.stdout)
    assert found["app"] == "notes" and found["findings"][0]["outcome"] == "well"
    assert mosaic("link", "doctor", "photos").code == 1


def test_a_gateway_that_is_not_there_is_not_used(mosaic: Mosaic, world: LinkWorld) -> None:
    world.gateway.stop()
    refused = mosaic("link", "gateway", "add", "http://127.0.0.1:1")
    assert refused.code == 1 and "does not answer" in refused.stderr
    assert "127.0.0.1:1 " not in mosaic("link", "gateway", "list").stdout
