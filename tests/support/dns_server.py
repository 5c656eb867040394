"""A DNS server on loopback, over UDP and TCP, whose zone a test writes; it can also be silent, refuse or truncate.

Messages are dnspython's. What it does is only what a name server may do.
"""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Mood = Literal["well", "silent", "failing", "truncating"]


@dataclass
class DnsServer:
    """`records` maps (name, type) to the texts of its records. `asked` has every question, with how it came."""

    port: int = 0
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    mood: Mood = "well"

    @property
    def where(self) -> str:
        """As a Hive is told it."""
        return f"127.0.0.1:{self.port}"

    def answer(self, wire: bytes, way: str) -> bytes | None:
        """Answer one message; None stays silent."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, way))
        if self.mood == "silent":
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.mood == "failing":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif self.mood == "truncating" and way == "udp":
            response.flags |= dns.flags.TC
        else:
            self._fill(response, name, kind)
        return response.to_wire()

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        for _ in range(8):
            if (name, kind) in self.records:
                response.answer.append(_records(name, kind, self.records[name, kind]))
                return
            alias = self.records.get((name, "CNAME"))
            if alias is None:
                break
            response.answer.append(_records(name, "CNAME", alias))
            name = alias[0].removesuffix(".").lower()
        if not response.answer and not any(known == name for known, _ in self.records):
            response.set_rcode(dns.rcode.NXDOMAIN)


def _records(name: str, kind: str, texts: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(f"{name}.", 60, "IN", kind, *texts)


class _Udp(socketserver.BaseRequestHandler):
    zone: ClassVar[DnsServer]

    def handle(self) -> None:
        wire, socket = self.request
        answer = self.zone.answer(wire, "udp")
        if answer is not None:
            socket.sendto(answer, self.client_address)


class _Tcp(socketserver.StreamRequestHandler):
    zone: ClassVar[DnsServer]

    def handle(self) -> None:
        while len(head := self.rfile.read(2)) == 2:
            answer = self.zone.answer(self.rfile.read(struct.unpack("!H", head)[0]), "tcp")
            if answer is None:
                return
            self.wfile.write(struct.pack("!H", len(answer)) + answer)


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    block_on_close = False


@contextlib.contextmanager
def dns_server() -> Iterator[DnsServer]:
    """Serve an empty zone until the end."""
    zone = DnsServer()
    tcp, udp = _both(zone)
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        for server in (tcp, udp)
    ]
    for thread in threads:
        thread.start()
    try:
        yield zone
    finally:
        for server in (tcp, udp):
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join(20)


def _both(zone: DnsServer) -> tuple[_TcpServer, _UdpServer]:
    """Return servers at one port number, free for both."""
    for _ in range(50):
        tcp = _TcpServer(("127.0.0.1", 0), type("Tcp", (_Tcp,), {"zone": zone}))
        zone.port = tcp.server_address[1]
        try:
            return tcp, _UdpServer(("127.0.0.1", zone.port), type("Udp", (_Udp,), {"zone": zone}))
        except OSError:
            tcp.server_close()
    raise AssertionError("no port is free for UDP and TCP")
