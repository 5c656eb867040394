"""What a gateway's operator types: whom to allow, and what is routed."""

import json
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from mosaic.cli.commands.gateway import gateway
from mosaic.cli.gateway_parts import place
from mosaic.cli.main import run
from mosaic.cli.raw_ports import opened_ports
from mosaic.core.errors import MosaicError
from mosaic.core.ids import LinkId
from mosaic.core.raw_ports import PortTarget
from mosaic.crypto import link_exports, signing
from mosaic.wire.link_export import ExportedLink, LinkExport
from mosaic.wire.links import DesiredLink, PublicPort
from support.gateway_world import DOMAIN, PushingHive, config_of, make_link, running_gateway, start
from support.manual_clock import ManualClock

KEY, OTHER = "ab" * 32, "cd" * 32


def typed(folder: Path, *words: str) -> Any:
    """Return what a command answers as JSON, at the group of the tests' gateways."""
    given = [*words, "--state", str(folder / "one"), "--database", f"sqlite:///{folder}/group.db", "--json"]
    done = CliRunner().invoke(gateway, given, catch_exceptions=False, standalone_mode=False)
    return json.loads(done.output)


def test_a_hive_is_allowed_listed_and_disallowed(tmp_path: Path) -> None:
    shown = {"key": KEY, "domains": ["apps.example.net"], "vouches": False, "links": 0}
    assert typed(tmp_path, "allow", KEY, "--domain", "apps.example.net", "--only-domains") == shown
    assert typed(tmp_path, "hives") == [shown]
    with pytest.raises(MosaicError, match="another Hive's"):
        typed(tmp_path, "allow", OTHER, "--domain", "example.net")
    assert typed(tmp_path, "disallow", KEY) == {"hive": KEY, "removed_links": 0}
    assert typed(tmp_path, "hives") == []


def test_a_disallowed_hives_links_are_gone_from_a_running_gateway(tmp_path: Path) -> None:
    clock = ManualClock()
    with running_gateway(config_of(tmp_path), clock) as running:
        hive = PushingHive(clock)
        typed(tmp_path, "allow", hive.key, "--domain", DOMAIN)
        link = make_link(f"a.{DOMAIN}")
        hive.push(running, link)
        start(link).register(running)
        (listed,) = json.loads(json.dumps(typed(tmp_path, "links")))
        assert (listed["hive"], listed["link"]["id"], listed["link"]["mode"]) == (hive.key, link.id, "userspace")
        typed(tmp_path, "disallow", hive.key)
        running.running.agent.catch_up()
        assert running.parts.router.addresses() == {}


def test_the_groups_database_may_be_given_by_a_variable_that_nobody_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSAIC_GATEWAY_DATABASE", f"sqlite:///{tmp_path}/group.db")
    given = ["allow", KEY, "--state", str(tmp_path / "one"), "--json"]
    CliRunner().invoke(gateway, given, catch_exceptions=False, standalone_mode=False)
    assert "MOSAIC_GATEWAY_DATABASE" not in os.environ
    assert len(typed(tmp_path, "hives")) == 1


def test_links_are_taken_in_where_the_variables_say_and_keep_the_ports_that_they_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, file = bytes(32), tmp_path / "links.json"
    wanted = DesiredLink(1, "ada", [], [], ports=[PublicPort("tcp", 0, 8460, 25), PublicPort("udp", 20001, 8461, 53)])
    export = LinkExport(signing.public_key(seed), 1, [ExportedLink("a" * 12, "mail", "gw", wanted)])
    file.write_bytes(msgspec.json.encode(link_exports.sign(seed, export)))
    typed(tmp_path, "allow", export.hive)
    for ranged in (("--ports", "20000-29999"), ()):
        monkeypatch.setenv("MOSAIC_GATEWAY_STATE", str(tmp_path / "one"))
        monkeypatch.setenv("MOSAIC_GATEWAY_DATABASE", f"sqlite:///{tmp_path}/group.db")
        given = ["import", str(file), *ranged, "--json"]
        CliRunner().invoke(gateway, given, catch_exceptions=False, standalone_mode=False)
        assert "MOSAIC_GATEWAY_DATABASE" not in os.environ
        ports = [(port["protocol"], port["public"]) for port in typed(tmp_path, "links")[0]["link"]["ports"]]
        assert ports == [("tcp", 20000), ("udp", 20001)]


def test_what_is_no_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gateway", "allow", "nonsense", "--state", str(tmp_path)]) == 1
    assert "64 lower-case hex digits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ports", "said"),
    [("20000", "no range of ports"), ("8400-8500", "within tunnels"), ("20000-60000", "itself has port 51820")],
)
def test_a_range_of_ports_that_cannot_be_is_refused(
    tmp_path: Path, ports: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--state", str(tmp_path), "--name", "one", "--public-host", "gw.example.net", "--ports", ports]
    assert run(["gateway", "serve", *words]) == 2
    assert said in capsys.readouterr().err


def test_raw_ports_are_opened_where_the_operator_named_some_and_nowhere_else(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    with ExitStack() as closing:
        assert opened_ports(config, closing) is None
        ports = opened_ports(replace(config, ports_listen=("127.0.0.1",), port_range=range(1, 2)), closing)
        assert ports is not None
        ports.put({("udp", 20000): PortTarget(LinkId("l"), "127.64.0.1", 8460)})
        assert ports.there() == {}


def test_a_place_is_an_address_and_a_port() -> None:
    assert (place("127.0.0.1:80"), place("[::]:443")) == (("127.0.0.1", 80), ("::", 443))
