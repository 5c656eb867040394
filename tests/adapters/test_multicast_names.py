"""Names on the network, over real sockets: the group is joined on loopback, where nobody else listens."""

import contextlib
import os
import resource
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mosaic.adapters.lan_interfaces import LanInterface, lan_interfaces
from mosaic.adapters.multicast_names import NamesOnNetwork
from mosaic.core import multicast_dns as dns
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.long

LOOPBACK = socket.if_nametoindex("lo")


@dataclass
class Machine:
    """One machine's names, in a thread of their own."""

    names: NamesOnNetwork
    held: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def machine(address: str, port: int, *labels: str) -> Iterator[Machine]:
    """Yield one of that address. Ending takes its names back."""

    def changed(held: Mapping[str, str]) -> None:
        made.held = dict(held)

    interface = LanInterface(LOOPBACK, "lo", address)
    made = Machine(NamesOnNetwork(changed, interfaces=lambda: [interface], port=port))
    made.names.want(labels)
    thread = threading.Thread(target=made.names.run)
    thread.start()
    try:
        yield made
    finally:
        made.names.stop()
        thread.join(60)
        assert not thread.is_alive()


def address_of(name: str, port: int) -> str | None:
    """Ask as a program of plain DNS does, and return the address of the first answer."""
    question = dns.write_probe(name, "127.0.0.1")[12:].split(b"\0", 1)[0] + b"\0" + struct.pack("!2H", dns.A, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.5)
        asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", LOOPBACK))
        asking.sendto(struct.pack("!6H", 4711, 0, 1, 0, 0, 0) + question, (dns.GROUP, port))
        try:
            found = dns.read(asking.recv(9000))
        except TimeoutError:
            return None
    return socket.inet_ntoa(found.answers[0].about) if found is not None and found.answers else None


def test_a_name_answers_while_it_is_wanted() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with machine("127.0.0.77", port, "notes") as made:
        eventually(lambda: made.held == {"notes": "notes.local"})
        eventually(lambda: address_of("notes.local", port) == "127.0.0.77")
        assert address_of("blog.local", port) is None
        made.names.want(["blog"])
        eventually(lambda: address_of("blog.local", port) == "127.0.0.77")
        assert address_of("notes.local", port) is None


def test_the_second_machine_takes_the_next_name_and_keeps_it() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with machine("127.0.0.77", port, "notes") as first:
        eventually(lambda: first.held == {"notes": "notes.local"})
        with machine("127.0.0.78", port, "notes") as second:
            eventually(lambda: second.held == {"notes": "notes-2.local"})
            eventually(lambda: address_of("notes-2.local", port) == "127.0.0.78")
            assert address_of("notes.local", port) == "127.0.0.77"


def test_whoever_listens_hears_that_a_name_was_taken_back() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((dns.GROUP, port))
        listening.settimeout(60)
        joined = struct.pack("=4s4si", socket.inet_aton(dns.GROUP), bytes(4), LOOPBACK)
        listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        with machine("127.0.0.77", port, "notes") as made:
            eventually(lambda: made.held == {"notes": "notes.local"})
        told: list[int] = []
        while not told or told[-1] != 0:
            message = dns.read(listening.recv(9000))
            told += [one.ttl_seconds for one in message.answers] if message is not None else []
        assert dns.TTL_SECONDS in told


def test_a_process_with_many_open_files_has_names_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    try:
        with contextlib.ExitStack() as opened:
            for _ in range(1100):
                opened.enter_context(Path(os.devnull).open())
            with machine("127.0.0.77", free_port(socket.SOCK_DGRAM), "notes") as made:
                eventually(lambda: made.held == {"notes": "notes.local"})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_nonsense_ends_nothing() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with machine("127.0.0.77", port, "notes") as made:
        eventually(lambda: made.held == {"notes": "notes.local"})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
            rude.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", LOOPBACK))
            for nonsense in (b"", b"\xff" * 9000, b"\xc0\x0c" * 20, struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c"):
                rude.sendto(nonsense, (dns.GROUP, port))
        eventually(lambda: address_of("notes.local", port) == "127.0.0.77")


def test_the_networks_of_a_machine_are_those_of_its_default_routes(tmp_path: Path) -> None:
    every = {one.name for one in lan_interfaces(routes=tmp_path / "none")}
    for name in every:
        table = tmp_path / name
        table.write_text(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
            f"lo\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\n{name}\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
        )
        assert [one.name for one in lan_interfaces(routes=table)] == [name]
    assert "lo" not in every
