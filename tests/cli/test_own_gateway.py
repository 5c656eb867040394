"""The gateway of `mosaic up --gateway`: what it is started with, and a Hive that uses it without being asked."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mosaic.adapters.sql.gateway import hives
from mosaic.cli.commands.up_parts import gateway as up_gateway
from mosaic.cli.up import install, own_gateway, services, settings, systemd
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.own_gateway import GatewayOptionsUnreadable, NoHiveHere
from mosaic.cli.up.settings import Settings
from mosaic.core.domain_name import DomainNameUnusable
from mosaic.hive.config import OwnGateway
from mosaic.hive.links import pushing
from mosaic.wire.link_api import LinkGateway
from support.gateway_world import config_of, running_gateway
from support.manual_clock import ManualClock
from support.running_hive import Owner, running_hive
from support.waiting import eventually

LAYOUT = Layout(Path("/var/lib/mosaic"))
CHOSEN = Settings(port=8930, name="cellar", gateway="gw.example.net")


def listed(owner: Owner) -> list[LinkGateway]:
    with owner.client() as client:
        return client.get("/api/link-gateways", list[LinkGateway])


def test_a_hive_uses_the_gateway_beside_it_without_being_asked_and_once(tmp_path: Path) -> None:
    clock = ManualClock()
    with (
        running_gateway(config_of(tmp_path), clock) as gateway,
        running_hive(tmp_path, clock=clock, own_gateway=OwnGateway(gateway.url)) as hive,
    ):
        owner = hive.set_up()
        (known,) = listed(owner)
        assert (known.url, known.about) == (gateway.url, None)
        # It may get its certificate, or start, after the Hive: without a link too it is asked again soon.
        assert hive.ask(pushing.look) <= pushing.LOOK_SECONDS
        with gateway.running.database.write() as tx:
            hives.allow(tx, known.hive_key, ("apps.example.net",), vouches=True, now_ns=clock.wall_ns())
        hive.stop()
        hive.start()
        eventually(lambda: [one.about.domains for one in listed(owner) if one.about] == [["apps.example.net"]])


def test_a_root_that_is_none_is_no_reason_for_a_hive_not_to_run(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text("no certificate")
    with running_hive(tmp_path, own_gateway=OwnGateway("https://gw.example.net", root)) as hive:
        assert listed(hive.set_up()) == []


def test_it_runs_only_where_it_was_wanted_and_none_ends_it() -> None:
    without = systemd.units(LAYOUT, Settings(port=8930))
    assert systemd.GATEWAY not in without and "--own-gateway" not in without["mosaic-hive.service"]
    assert without == systemd.units(LAYOUT, Settings(port=8930, gateway=settings.NO_GATEWAY))
    units = systemd.units(LAYOUT, CHOSEN)
    assert "--own-gateway https://gw.example.net" in units["mosaic-hive.service"]
    assert "up-gateway --state /var/lib/mosaic\n" in units[systemd.GATEWAY]
    assert set(units) - set(without) == {systemd.GATEWAY}


def test_its_unit_goes_with_the_others_and_is_moved_on_by_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "has_systemd", lambda: False)
    units = systemd.with_programs(systemd.units(LAYOUT, CHOSEN), {"gateway": "/new/python"})
    assert systemd.program_of(units[systemd.GATEWAY]) == "/new/python"
    written = install.write(units, tmp_path)
    assert set(install.remove(tmp_path)) == set(written)
    assert list(tmp_path.iterdir()) == []


def test_what_the_person_adds_counts_and_what_is_ours_cannot_be_added() -> None:
    words = own_gateway.serving_words(LAYOUT, Settings(gateway="gw.example.net", gateway_options="--router 'haproxy'"))
    assert words[-2:] == ("--router", "haproxy")
    assert words[:6] == ("--state", "/var/lib/mosaic/gateway", "--name", "gateway", "--public-host", "gw.example.net")
    for wrong in ("'open", "--state /elsewhere", "--name=other"):
        with pytest.raises(GatewayOptionsUnreadable):
            own_gateway.checked(Settings(gateway="gw.example.net", gateway_options=wrong))


@pytest.mark.parametrize("name", ["192.0.2.1", "localhost", "a_b.example.net", "bücher.example"])
def test_names_cannot_be_given_out_under_what_is_no_name(name: str) -> None:
    with pytest.raises(DomainNameUnusable):
        own_gateway.checked(Settings(gateway=name))
    own_gateway.checked(Settings(gateway=name, gateway_domain="apps.example.net"))


def test_a_gateway_without_a_hive_says_so_and_makes_no_key_for_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    settings.save(layout.settings, CHOSEN)
    with pytest.raises(NoHiveHere):
        CliRunner().invoke(up_gateway, ["--state", str(tmp_path)], catch_exceptions=False, standalone_mode=False)
    assert not layout.hive.exists()


def test_what_was_chosen_is_kept_and_told_to_the_hive(tmp_path: Path) -> None:
    file = tmp_path / "up.json"
    settings.save(file, CHOSEN)
    assert settings.load(file) == CHOSEN
    assert json.loads(file.read_text())["gateway"] == "gw.example.net"
    told = Settings(port=1, gateway="gw.example.net", gateway_url="https://10.0.0.7:8443", gateway_root="/root.pem")
    words = services.hive_options(LAYOUT, told)
    assert words[words.index("--own-gateway") :] == (
        "--own-gateway", "https://10.0.0.7:8443", "--own-gateway-root", "/root.pem",
    )  # fmt: skip
