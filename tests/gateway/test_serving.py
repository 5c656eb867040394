"""`mosaic gateway serve` as it is: from a link that registers to a visitor who is answered, through kills."""

import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from mosaic.adapters.tcp_tunnel.client import Probe
from support.gateway_process import GatewayProcess, gateway_process
from support.gateway_world import DOMAIN, MadeLink, make_link, start
from support.tcp_link import ends, reaches, tcp_link, visit
from support.waiting import eventually

pytestmark = pytest.mark.long

NAME = f"notes.{DOMAIN}"


@pytest.fixture(scope="module", params=["splice", pytest.param("haproxy", marks=pytest.mark.acme)])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One with either router, and TCP mode."""
    router = str(request.param)
    with gateway_process(tmp_path_factory.mktemp(router), "--router", router) as made:
        yield made


@pytest.fixture
def link(gateway: GatewayProcess) -> Iterator[MadeLink]:
    """A link that has NAME, until the test is over."""
    hive, made = gateway.allow(), make_link(NAME)
    hive.push(gateway, made)
    yield made
    hive.remove(gateway, made)


def test_a_visitor_reaches_a_link_in_tcp_mode_until_its_owner_removes_it(
    gateway: GatewayProcess, link: MadeLink
) -> None:
    given = start(link, mode="tcp").register(gateway)
    with tcp_link(given):
        eventually(lambda: reaches(gateway.tls, NAME))
        with visit(gateway.tls, NAME) as staying:
            assert staying.take(4) == b"tls:"
            assert not reaches(gateway.tls, f"other.{DOMAIN}")
            gateway.allow().remove(gateway, link)
            assert ends(staying)
        assert not reaches(gateway.tls, NAME)


def test_a_link_hears_through_its_tunnel_that_another_took_its_place(gateway: GatewayProcess, link: MadeLink) -> None:
    with tcp_link(start(link, mode="tcp").register(gateway)) as first:
        second = start(link, mode="tcp").register(gateway)
        eventually(lambda: first.probe is Probe.SUPERSEDED, seen=lambda: first.probes)
        with tcp_link(second):
            eventually(lambda: reaches(gateway.tls, NAME))


def test_a_gateway_that_was_killed_comes_back_with_its_links(gateway: GatewayProcess, link: MadeLink) -> None:
    with tcp_link(start(link, mode="tcp").register(gateway)):
        eventually(lambda: reaches(gateway.tls, NAME))
        gateway.kill()
        gateway.start()
        eventually(lambda: reaches(gateway.tls, NAME))


@pytest.mark.acme
def test_two_gateways_of_one_group_serve_a_link_side_by_side_and_one_alone(tmp_path: Path) -> None:
    group = ("--database", f"sqlite:///{tmp_path}/group.db")
    with (
        gateway_process(tmp_path, *group) as one,
        gateway_process(tmp_path, *group, "--router", "haproxy", name="two") as two,
    ):
        hive, link = one.allow(), make_link(NAME)
        hive.push(one, link)
        given = start(link, mode="tcp").register(one)
        assert {peer.name for peer in given.peers} == {"one", "two"}
        with tcp_link(given, gateway="one"), tcp_link(given, gateway="two"):
            eventually(lambda: reaches(one.tls, NAME) and reaches(two.tls, NAME))
            one.kill()
            assert reaches(two.tls, NAME)
            one.start()
            eventually(lambda: reaches(one.tls, NAME))
            # Answered when both go by it.
            hive.remove(two, link)
            assert not (reaches(one.tls, NAME) or reaches(two.tls, NAME))


@pytest.mark.acme
def test_a_second_gateway_does_not_take_over_what_the_first_one_runs(tmp_path: Path) -> None:
    with gateway_process(tmp_path, "--router", "haproxy") as gateway:
        second = GatewayProcess(tmp_path, "--router", "haproxy")
        with pytest.raises(AssertionError, match="another gateway runs in"):
            second.start()
        assert not reaches(gateway.tls, NAME)


@pytest.mark.acme
def test_a_gateway_that_is_stopped_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    with gateway_process(tmp_path, "--router", "haproxy") as gateway:
        gateway.stop()
        assert not connects(gateway.tls)
        with closing(sqlite3.connect(gateway.state / "gateway.db")) as held:
            # It has its HAProxy by now, and cannot join its group.
            held.execute("BEGIN IMMEDIATE")
            child = gateway.begin()
            eventually(lambda: connects(gateway.tls), seen=gateway.said)
            os.kill(child.pid, signal.SIGTERM)
        eventually(lambda: child.poll() is not None, seen=gateway.said)
        assert child.poll() == 0, gateway.said()
        assert not connects(gateway.tls)


def connects(port: int) -> bool:
    """Whether somebody listens at a port of loopback."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 20):
        return True
    return False
