"""What a Router does with names: which hello leads where, and which is turned away."""

import ssl
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mosaic.core.link_routes import Route
from mosaic.core.proxy_header import encode, ends_of
from mosaic.crypto.ca import self_signed
from support import hellos
from support.hellos import built_hello, real_hello, server_name
from support.router_world import LINK, RouterWorld, new_name, own_source
from support.streams import Stream
from support.tunnel_ends import TunnelEnd

MANY = 10_000


class RoutesConformance:
    """By name, and only by name."""

    def test_tls_is_ended_by_whom_the_name_is_routed_to(self, world: RouterWorld, tmp_path: Path) -> None:
        first, second = world.tunnel(), world.tunnel()
        for tunnel, name in ((first, world.route(first)), (second, world.route(second))):
            assert _spoken_over_tls(world.visitor(), tunnel, name, tmp_path) == f"here is {name}"

    def test_what_was_sent_arrives_whole_behind_a_head_with_the_true_address(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.visitor(source=own_source())
        sent = real_hello(name, alpn=["h2", "http/1.1"])
        visitor.send(sent)
        arrival = tunnel.arrival()
        assert arrival.ends == world.ends(visitor, tunnel)
        assert arrival.stream.take(len(sent)) == sent

    def test_a_visitors_own_head_does_not_count(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        claimed = encode(ends_of(("203.0.113.7", 4711), ("203.0.113.8", 443)))
        assert world.is_turned_away(claimed, real_hello(name))
        assert not tunnel.anything_waits()
        visitor, told = world.visitor(), real_hello(name)
        visitor.send(told + claimed)
        arrival = tunnel.arrival()
        assert arrival.ends == world.ends(visitor, tunnel)
        assert arrival.stream.take(len(told) + len(claimed)) == told + claimed

    def test_a_name_is_the_same_in_upper_case(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        world.visitor().send(built_hello(server_name(name.upper().encode())))
        assert tunnel.arrival().stream.take(1) == b"\x16"

    def test_a_name_that_is_not_routed_is_closed_without_an_answer(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        parent = name.partition(".")[2]
        for other in (new_name(), f"www.{name}", f"x{name}", parent, f"{name}.evil.example"):
            assert world.is_turned_away(real_hello(other)), other
        assert not tunnel.anything_waits()

    def test_who_names_nothing_or_nonsense_is_closed_without_an_answer(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel).encode()
        for sent in (
            real_hello(None),
            built_hello(hellos.grease()),
            built_hello(server_name(b"127.0.0.1")),
            built_hello(server_name(name + b"\0.evil.example")),
            built_hello(server_name("müller.example".encode())),
            b"GET / HTTP/1.1\r\nHost: " + name + b"\r\n\r\n",
            b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),
            b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",
            b"\0" * 100,
        ):
            assert world.is_turned_away(sent), sent
        assert not tunnel.anything_waits()

    def test_an_extension_that_means_nothing_is_no_matter(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        sent = built_hello(hellos.grease(), server_name(world.route(tunnel).encode()), hellos.protocols(b"h2"))
        world.visitor().send(sent)
        assert tunnel.arrival().stream.take(len(sent)) == sent

    @pytest.mark.parametrize("size", [1_800, 9_000])
    def test_a_hello_of_many_segments_is_read(self, world: RouterWorld, size: int) -> None:
        tunnel = world.tunnel()
        sent = built_hello(hellos.padding(size), server_name(world.route(tunnel).encode()))
        visitor = world.visitor()
        for at in range(0, len(sent), 700):
            visitor.send(sent[at : at + 700])
        assert tunnel.arrival().stream.take(len(sent)) == sent

    def test_a_hello_may_be_split_at_any_byte(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        sent = built_hello(server_name(world.route(tunnel).encode()))
        for at in range(1, len(sent)):
            with world.visitor() as visitor:
                visitor.send(sent[:at])
                visitor.send(sent[at:])
                arrived = tunnel.arrival().stream
                assert arrived.take(len(sent)) == sent, at
                arrived.close()

    def test_a_hello_that_drips_byte_by_byte_is_read(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        sent = real_hello(world.route(tunnel))
        visitor = world.visitor()
        for at in range(len(sent)):
            visitor.send(sent[at : at + 1])
        assert tunnel.arrival().stream.take(len(sent)) == sent

    def test_a_hello_may_span_records(self, world: RouterWorld) -> None:
        if not world.doors.joins_records:
            assert world.is_turned_away(built_hello(server_name(new_name().encode()), record_bytes=30))
            return
        tunnel = world.tunnel()
        name = world.route(tunnel).encode()
        for record_bytes in (3, 50):
            sent = built_hello(server_name(name), record_bytes=record_bytes)
            world.visitor().send(sent)
            assert tunnel.arrival().stream.take(len(sent)) == sent

    def test_a_hello_of_more_than_16_kib_is_closed(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = server_name(world.route(tunnel).encode())
        assert world.is_turned_away(built_hello(hellos.padding(20_000), name))
        assert not tunnel.anything_waits()

    def test_what_put_replaced_holds_for_the_next_visitor_and_an_open_connection_stays(
        self, world: RouterWorld
    ) -> None:
        first, second = world.tunnel(), world.tunnel()
        name = world.route(first)
        visitor, arrived = world.meet(first, name)
        world.route(second, name)
        assert world.router.addresses()[name] == second.address
        world.meet(second, name)
        assert not first.anything_waits()
        visitor.send(b"still")
        assert arrived.take(5) == b"still"

    def test_remove_ends_the_connections_of_its_names_and_no_others(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name, other = world.route(tunnel), world.route(tunnel)
        visitor, arrived = world.meet(tunnel, name)
        staying, arrived_beside = world.meet(tunnel, other)
        world.router.remove([name, new_name()])
        assert visitor.was_ended()
        assert arrived.was_ended()
        assert name not in world.router.addresses()
        assert world.is_turned_away(real_hello(name))
        staying.send(b"still")
        assert arrived_beside.take(5) == b"still"

    def test_ending_an_addresss_connections_leaves_its_routes(self, world: RouterWorld) -> None:
        ending, staying = world.tunnel(), world.tunnel()
        name = world.route(ending)
        visitor, arrived = world.meet(ending, name)
        untouched, arrived_beside = world.meet(staying, world.route(staying))
        world.router.end_connections([ending.address, "127.64.0.0"])
        assert visitor.was_ended()
        assert arrived.was_ended()
        world.meet(ending, name)
        untouched.send(b"still")
        assert arrived_beside.take(5) == b"still"

    def test_connections_of_an_earlier_address_end_with_it_after_the_name_has_moved_on(
        self, world: RouterWorld
    ) -> None:
        earlier, later = world.tunnel(), world.tunnel()
        name = world.route(earlier)
        old_visitor, _ = world.meet(earlier, name)
        world.route(later, name)
        new_visitor, arrived = world.meet(later, name)
        world.router.end_connections([earlier.address])
        assert old_visitor.was_ended()
        new_visitor.send(b"still")
        assert arrived.take(5) == b"still"

    def test_the_router_says_which_routes_it_has(self, world: RouterWorld) -> None:
        tunnel, other = world.tunnel(), world.tunnel()
        name = world.route(tunnel)
        assert world.router.addresses()[name] == tunnel.address
        world.route(other, name)
        assert world.router.addresses()[name] == other.address
        world.router.remove([name])
        assert name not in world.router.addresses()

    def test_ten_thousand_routes_lead_each_where_it_should(self, world: RouterWorld) -> None:
        tunnels = [world.tunnel(), world.tunnel()]
        label = new_name()
        names = [f"n{number}.{label}" for number in range(MANY)]
        open_before = world.meet(tunnels[0], world.route(tunnels[0]))
        world.router.put({name: Route(LINK, tunnels[at % 2].address) for at, name in enumerate(names)})
        try:
            have = world.router.addresses()
            assert [have[name] for name in names] == [tunnels[at % 2].address for at in range(MANY)]
            for at in (0, 1, 4_999, MANY - 2, MANY - 1):
                world.meet(tunnels[at % 2], names[at])
        finally:
            world.router.remove(names)
        assert not world.router.addresses().keys() & set(names)
        assert world.is_turned_away(real_hello(names[0]))
        open_before[0].send(b"still")
        assert open_before[1].take(5) == b"still"


def _spoken_over_tls(visitor: Stream, tunnel: TunnelEnd, name: str, folder: Path) -> str:
    """Return what a link that has a certificate for the name says to a visitor who checks that certificate."""
    pair = self_signed(name, datetime.now(UTC))
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_text(pair.certificate_pem)
    key.write_text(pair.key_pem)

    def serve() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with context.wrap_socket(tunnel.arrival().stream.socket, server_side=True) as served:
            # No word of farewell: the visitor goes as soon as he has this, and would not answer it.
            served.sendall(f"here is {name}".encode())

    serving = threading.Thread(target=serve)
    serving.start()
    with closing(visitor), ssl.create_default_context(cafile=certificate).wrap_socket(
        visitor.socket, server_hostname=name
    ) as speaking:  # fmt: skip
        said = b"".join(iter(lambda: speaking.recv(4096), b""))
    serving.join()
    return said.decode()
