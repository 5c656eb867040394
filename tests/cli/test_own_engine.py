"""The parts of isolated mode that need no engine: ports that are lent, options, and what is refused."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mosaic.adapters.port_lending import PortLending, PortNotLent
from mosaic.cli.own_engine.inside import divide_groups
from mosaic.cli.own_engine.ports import LentPorts
from mosaic.cli.up import own_engine, run, services, settings
from mosaic.cli.up.device_run import Joining, run_device
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.own_engine import EngineFixed
from mosaic.cli.up.pool_size import Pool
from mosaic.cli.up.services import Service
from mosaic.cli.up.settings import Settings
from mosaic.cli.up.supervise import Supervisor
from mosaic.cli.up.targets import Targets
from mosaic.core.lent_port import LentPort, Protocol
from support.waiting import eventually

SOURCE = Path(__file__).parents[2] / "src"
OUTSIDE = "127.0.0.2"
"""Stands for the machine: the container has a network of its own, and the same port in both."""


@pytest.fixture
def lending(tmp_path: Path) -> Iterator[PortLending]:
    """What takes ports, on a thread of its own, as in the engine's container."""
    path = tmp_path / "ports.sock"
    loop = asyncio.new_event_loop()
    serving = loop.create_task(LentPorts().serve(path))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    eventually(path.exists)
    made = PortLending(path)
    eventually(lambda: answers(made))
    yield made
    for port in made.lent():
        made.end(port)
    loop.call_soon_threadsafe(serving.cancel)
    thread.join(60)


def answers(lending: PortLending) -> bool:
    with contextlib.suppress(PortNotLent):
        return lending.lent() == frozenset()
    return False


@contextlib.contextmanager
def inside(protocol: Protocol) -> Iterator[tuple[socket.socket, LentPort]]:
    """Something that listens in the container, and the same port of the machine."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as server:
        server.settimeout(60)
        server.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            server.listen()
        yield server, LentPort(protocol, OUTSIDE, server.getsockname()[1])


def test_whoever_connects_to_a_lent_port_reaches_the_same_port_inside(lending: PortLending) -> None:
    with inside("tcp") as (server, port):
        lending.lend(port)
        with socket.create_connection((OUTSIDE, port.port), timeout=60) as client:
            reached, _ = server.accept()
            with reached:
                client.sendall(b"asked")
                # The end of a question is heard, and what is answered after it still comes.
                client.shutdown(socket.SHUT_WR)
                assert all_of(reached) == b"asked"
                reached.sendall(b"answered")
            assert all_of(client) == b"answered"


def test_datagrams_are_led_in_and_their_answers_out(lending: PortLending) -> None:
    with inside("udp") as (server, port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(60)
        lending.lend(port)
        client.connect((OUTSIDE, port.port))
        client.send(b"asked")
        said, peer = server.recvfrom(100)
        server.sendto(said + b" and answered", peer)
        assert client.recv(100) == b"asked and answered"


def test_a_port_that_was_ended_can_be_opened_by_another_program(lending: PortLending) -> None:
    with inside("tcp") as (_, port):
        lending.lend(port)
        assert lending.lent() == {port}
        lending.end(port)
        assert lending.lent() == frozenset()
        with socket.socket() as other:
            other.bind((OUTSIDE, port.port))


def test_a_port_that_another_program_has_is_not_lent_and_the_reason_is_said(lending: PortLending) -> None:
    with socket.socket() as other:
        other.bind((OUTSIDE, 0))
        other.listen()
        with pytest.raises(PortNotLent, match="in use"):
            lending.lend(LentPort("tcp", OUTSIDE, other.getsockname()[1]))
    assert lending.lent() == frozenset()


def test_a_port_where_nothing_listens_inside_is_closed_at_once(lending: PortLending) -> None:
    with inside("tcp") as (server, port):
        lending.lend(port)
        server.close()
        with socket.create_connection((OUTSIDE, port.port), timeout=60) as client:
            assert all_of(client) == b""


def test_what_is_no_request_changes_nothing(lending: PortLending, tmp_path: Path) -> None:
    for words in (b"lend tcp 127.0.0.1 80\n", b"x" * 1000, b"\xff\n", b""):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(60)
            asking.connect(str(tmp_path / "ports.sock"))
            with contextlib.suppress(OSError):
                asking.sendall(words)
                asking.shutdown(socket.SHUT_WR)
                assert not all_of(asking).startswith(b"ok")
    assert lending.lent() == frozenset()


def test_a_container_that_is_not_there_takes_no_ports(tmp_path: Path) -> None:
    with pytest.raises(PortNotLent, match="takes no ports"):
        PortLending(tmp_path / "nothing.sock").lent()


def test_the_first_process_moves_out_of_a_unified_group_before_it_divides_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    divide_groups(tmp_path, 1)
    assert (tmp_path / "engine" / "cgroup.procs").read_text() == "1"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_where_control_groups_are_not_unified_nothing_is_moved(tmp_path: Path) -> None:
    divide_groups(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_in_isolated_mode_all_three_know_the_engine(tmp_path: Path) -> None:
    layout, chosen = Layout(tmp_path), Settings(name="cell", driver="mosaic-cell", own_engine=True)
    assert services.storage_options(layout, chosen)[-2:] == ("--plugins", str(layout.engine_plugins))
    assert "--own-engine" in services.device_options(layout, chosen)
    assert own_engine.address(layout, chosen) == f"unix://{tmp_path}/engine/engine.sock"
    assert "mosaic-cell-engine" in own_engine.service(layout, chosen).argv


def test_without_it_nothing_differs(tmp_path: Path) -> None:
    layout, chosen = Layout(tmp_path), Settings(name="home")
    assert "--plugins" not in services.storage_options(layout, chosen)
    assert "--own-engine" not in services.device_options(layout, chosen)
    assert own_engine.address(layout, chosen) == own_engine.MACHINES_ENGINE


def test_the_engine_is_given_the_folder_that_the_storage_daemon_chose(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert own_engine.container(layout, Settings()).shared[0] == f"{tmp_path}/storage/pool"
    (layout.storage / "folders").mkdir(parents=True)
    assert own_engine.container(layout, Settings()).shared[0] == f"{tmp_path}/storage/folders"
    assert own_engine.container(layout, Settings(pool="/mnt/pool")).shared[0] == "/mnt/pool"


@pytest.mark.skipif(os.geteuid() != 0, reason="a Device runs as root")
def test_a_device_whose_apps_run_in_the_machines_engine_is_not_moved_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "state")
    layout.make()
    settings.save(layout.settings, Settings(name="home"))
    layout.identity.write_text("{}")
    monkeypatch.setattr("mosaic.cli.up.preflight.check", lambda state: None)
    with pytest.raises(EngineFixed):
        run_device(
            layout,
            Joining(None, None, None),
            driver=None,
            pool=Pool(None, None),
            targets=Targets(None, None, ()),
            has_own_engine=True,
        )
    assert not settings.load(layout.settings).own_engine


def test_one_that_was_killed_between_joining_and_keeping_what_it_chose_chooses_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    layout.identity.write_text("{}")
    own_engine.check(layout, settings.load(layout.settings))
    settings.save(layout.settings, Settings(name="home"))
    with pytest.raises(EngineFixed):
        own_engine.check(layout, settings.load(layout.settings))


def test_beside_a_device_in_a_container_it_follows_the_pool_that_is_mounted_after_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    followed = [mount.source for mount in own_engine.contained(layout, Settings()).mounts if mount.is_followed]
    assert followed == [f"{tmp_path}/storage/pool"]
    (layout.storage / "folders").mkdir(parents=True)
    plain = own_engine.contained(layout, Settings())
    assert f"{tmp_path}/storage/folders" in [mount.source for mount in plain.mounts]
    assert not any(mount.is_followed for mount in plain.mounts)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what is taken away here")
def test_a_port_below_1024_that_the_device_may_not_open_is_said_with_what_is_missing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from mosaic.core.lent_port import LentPort\n"
        "from mosaic.adapters.port_lending import PortForbidden, PortLending\n"
        "try: PortLending(Path('nowhere')).lend(LentPort('tcp', '127.0.0.1', 911))\n"
        "except PortForbidden as error: print(error.message, error.hint)"
    )
    words = [
        "setpriv",
        "--bounding-set=-net_bind_service",
        "--inh-caps=-net_bind_service",
        sys.executable,
        "-c",
        program,
    ]
    done = subprocess.run(
        words, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=60, check=True
    )
    assert "port 911 of this machine" in done.stdout
    assert "--cap-add NET_BIND_SERVICE" in done.stdout


def test_at_the_first_start_the_engine_is_given_the_folder_that_the_storage_daemon_then_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)
    started: list[Service] = []

    class Supervised(Supervisor):
        def start(self, services: Sequence[Service]) -> None:
            started.extend(services)
            if services[0].name == "storage":
                (layout.storage / "folders").mkdir(parents=True)

        def watch(self, *, until: Callable[[], bool] | None = None) -> None:
            return

    layout.make()
    monkeypatch.setattr(run, "Supervisor", Supervised)
    monkeypatch.setattr(own_engine, "prepare", lambda layout, chosen: None)
    run.device(layout, Settings(name="cell", own_engine=True))
    assert [service.name for service in started] == ["storage", "engine", "front", "device"]
    assert f"{layout.storage}/folders" in " ".join(started[1].argv)


def all_of(connection: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            said += piece
    return said
