"""How long an app behind a link is away: its gateway's WireGuard killed, another address at home, a fresh link."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from link_bench.joined import ECHO_PORT, GATEWAY, NAME, Joined, joined, secured, until
from results.line import report

from support.acme_authority import acme_authority
from support.netns.namespaces import processes_in
from support.netns.place import Place

_HEARD_SECONDS = 60
_NOTED_SECONDS = 3


def measure(folder: Path, *, quick: bool) -> None:
    """Print the lines of outages; each is the longest of some."""
    rounds = 2 if quick else 5
    with joined(folder) as world, _echoing(world.home):
        gateway = world.start_gateway()
        world.allow_and_push()
        with _authority(world) as told:
            fresh = [_fresh(world, told) for _ in range(rounds)]
        report(f"link fresh until HTTPS 200 by Pebble, longest of {rounds}", max(fresh), "s", goal="value<=3")
        link = world.start_link(LINK_MODE="userspace")
        world.wait_until_reached()
        killed = [_wireguard_killed(world) for _ in range(rounds)]
        report(f"link gateway's WireGuard killed until reached, longest of {rounds}", max(killed), "s", goal="value<=5")
        moved = [_moved(world, f"198.18.0.{100 + turn}") for turn in range(rounds)]
        report(f"link home's address changed until an open WebSocket goes on, longest of {rounds}", max(moved), "s",
               goal="value<=10")  # fmt: skip
        link.stop(30)
        gateway.stop(30)


def _fresh(world: Joined, told: dict[str, str]) -> float:
    """Return how long a link without keys and certificate takes, its program's start included."""
    began = time.perf_counter()
    link = world.start_link(LINK_MODE="userspace", LINK_TLS="acme", **told)
    world.wait_until_reached()
    took = time.perf_counter() - began
    link.stop(30)
    until(lambda: not world.is_reached(), world.logs)
    return took


def _wireguard_killed(world: Joined) -> float:
    # A gateway notes each second where its peers are.
    time.sleep(_NOTED_SECONDS)
    before = _wireguards(world.gateway)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    began = time.perf_counter()
    until(lambda: not before & _wireguards(world.gateway), world.logs)
    world.wait_until_reached()
    return time.perf_counter() - began


def _wireguards(place: Place) -> set[int]:
    found = set()
    for pid in processes_in(int(place.network.rpartition("/")[2])):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("wireguard-go"):
                found.add(pid)
    return found


def _moved(world: Joined, address: str) -> float:
    """Return how long it is until what a visitor says on an open WebSocket comes back from home."""
    with world.visitor.do(lambda: secured(GATEWAY, _HEARD_SECONDS)) as line:
        line.sendall(
            f"GET /echo HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head and (piece := line.recv(1)):
            head += piece
        if not head.startswith(b"HTTP/1.1 101"):
            raise SystemExit(f"no WebSocket was opened: {head[:200]!r}")
        for said in (b"before", b"after"):
            began = time.perf_counter()
            if said == b"after":
                world.router.change_address(address)
            line.sendall(said)
            heard = b""
            while len(heard) < len(said) and (piece := line.recv(1024)):
                heard += piece
            if heard != said:
                raise SystemExit("the WebSocket did not survive")
        return time.perf_counter() - began


@contextlib.contextmanager
def _authority(world: Joined) -> Iterator[dict[str, str]]:
    """Run Pebble at the gateway, where it looks for every name, and let home reach it; yield what tells links."""
    with contextlib.ExitStack() as stack:
        own = world.folder / "authority"
        own.mkdir()
        # What is started by a thread of a place is there; the authority speaks at its loopback alone.
        made = world.gateway.do(lambda: stack.enter_context(acme_authority(own, https_port=443, http_port=80)))
        port = urlsplit(made.directory).port
        stack.enter_context(_relay(world.home, world.gateway, port))
        yield {"LINK_ACME_CA": made.directory, "LINK_ACME_ROOT": str(made.root)}


@contextlib.contextmanager
def _relay(near: Place, far: Place, port: int | None) -> Iterator[None]:
    """Lead connections to a port of one place's loopback to that of another."""
    address = ("127.0.0.1", port)
    with near.do(lambda: socket.create_server(address)) as door, ThreadPoolExecutor(64) as threads:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    come, _ = door.accept()
                    gone = far.do(lambda: socket.create_connection(address))
                    threads.submit(_copy, come, gone)
                    threads.submit(_copy, gone, come)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    source.settimeout(_HEARD_SECONDS)
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _echoing(place: Place) -> Iterator[None]:
    """Have an app that switches to a WebSocket and says everything back."""
    with place.do(lambda: socket.create_server(("127.0.0.1", ECHO_PORT))) as door:

        def echo(line: socket.socket) -> None:
            with contextlib.suppress(OSError), line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                while piece := line.recv(1024):
                    line.sendall(piece)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=echo, args=(door.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()
