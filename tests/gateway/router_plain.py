"""What a Router does on port 80: it sends everybody to https, and lets through what ACME asks of a link."""

import contextlib
import http.client
from dataclasses import dataclass

import pytest

from support.router_world import RouterWorld, new_name, own_source
from support.streams import Stream
from support.tunnel_ends import unused_address

CHALLENGE = "/.well-known/acme-challenge/Zm9v_bar-1"


class PlainConformance:
    """No plaintext but challenges passes."""

    @pytest.mark.parametrize("target", ["/", "/a/b?c=d&e=%2F", "//other.example/x", "/.well-known/acme-challenge/"])
    def test_a_name_is_sent_to_https_whether_it_is_routed_or_not(self, world: RouterWorld, target: str) -> None:
        tunnel = world.tunnel()
        for name in (world.route(tunnel), new_name()):
            answer = _asked(world, f"GET {target} HTTP/1.1", f"Host: {name}")
            assert (answer.status, answer.location) == (308, f"https://{name}{target}")
        assert not tunnel.anything_waits()

    def test_the_port_and_the_case_of_a_name_are_no_part_of_it(self, world: RouterWorld) -> None:
        name = new_name()
        answer = _asked(world, "GET /x HTTP/1.1", f"Host: {name.upper()}:80")
        assert (answer.status, answer.location) == (308, f"https://{name}/x")

    @pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "HEAD"])
    def test_whatever_is_asked_is_sent_to_https(self, world: RouterWorld, method: str) -> None:
        name = new_name()
        answer = _asked(world, f"{method} /x HTTP/1.1", f"Host: {name}", "Content-Length: 0")
        assert (answer.status, answer.location) == (308, f"https://{name}/x")

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_challenge_of_a_routed_name_is_answered_by_its_link(self, world: RouterWorld, method: str) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.plain_visitor(source=own_source())
        visitor.send(_request(f"{method} {CHALLENGE} HTTP/1.1", f"Host: {name}", "User-Agent: authority"))
        arrival = tunnel.challenge()
        assert arrival.ends == world.ends(visitor, tunnel)
        first, headers = _head(arrival.stream)
        assert first == f"{method} {CHALLENGE} HTTP/1.1"
        assert headers["host"] == name
        body = b"" if method == "HEAD" else b"the answer"
        arrival.stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/plain\r\n\r\n" + body)
        answer = _answer(visitor, method)
        assert (answer.status, answer.body) == (200, body)

    def test_an_answer_that_its_link_ends_by_closing_arrives_whole(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.plain_visitor()
        visitor.send(_request(f"GET {CHALLENGE} HTTP/1.1", f"Host: {name}", "Connection: close"))
        arrived = tunnel.challenge().stream
        _head(arrived)
        arrived.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 3000)
        arrived.close()
        assert _answer(visitor, "GET").body == b"x" * 3000

    @pytest.mark.parametrize(
        "request_line",
        [
            f"POST {CHALLENGE} HTTP/1.1",
            f"DELETE {CHALLENGE} HTTP/1.1",
            f"GET {CHALLENGE}?secret HTTP/1.1",
            f"GET {CHALLENGE}/more HTTP/1.1",
            "GET /.well-known/acme-challenge/../../secret HTTP/1.1",
            "GET /.well-known/acme-challenge/..%2f..%2fsecret HTTP/1.1",
            "GET /.well-known/acme-challenges HTTP/1.1",
            "GET /x/.well-known/acme-challenge/token HTTP/1.1",
            "GET /.WELL-KNOWN/acme-challenge/token HTTP/1.1",
        ],
    )
    def test_nothing_else_reaches_the_link(self, world: RouterWorld, request_line: str) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        answer = _asked(world, request_line, f"Host: {name}", "Content-Length: 0")
        assert answer.status == 308
        assert not tunnel.anything_waits()

    def test_a_challenge_of_a_name_that_is_not_routed_reaches_nobody(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        for other in (new_name(), f"www.{name}"):
            assert _asked(world, f"GET {CHALLENGE} HTTP/1.1", f"Host: {other}").status == 308
        assert not tunnel.anything_waits()

    def test_a_request_behind_a_challenge_does_not_slip_through(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        visitor = world.plain_visitor()
        host = f"Host: {name}"
        visitor.send(_request(f"GET {CHALLENGE} HTTP/1.1", host) + _request("GET /secret HTTP/1.1", host))
        arrived = tunnel.challenge().stream
        _head(arrived)
        arrived.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        assert _answer(visitor, "GET").body == b"ok"
        # A router may have gone by now, in whatever way: the answer was whole.
        with contextlib.suppress(OSError):
            arrived.end()
            assert b"secret" not in arrived.rest()
        assert not tunnel.anything_waits()

    def test_a_body_with_a_challenge_does_not_slip_through(self, world: RouterWorld) -> None:
        tunnel = world.tunnel()
        name = world.route(tunnel)
        inner = _request("GET /secret HTTP/1.1", f"Host: {name}")
        for headers in (
            (f"Content-Length: {len(inner)}",),
            ("Transfer-Encoding: chunked",),
            ("Content-Length: 0", f"Content-Length: {len(inner)}"),
        ):
            answer = _asked(world, f"GET {CHALLENGE} HTTP/1.1", f"Host: {name}", *headers, after=inner)
            assert answer.status in (308, 400)
        assert not tunnel.anything_waits()

    @pytest.mark.parametrize(
        "lines",
        [
            ["GET / HTTP/1.1"],
            ["GET / HTTP/1.1", "Host: 127.0.0.1"],
            ["GET / HTTP/1.1", "Host: [::1]"],
            ["GET / HTTP/1.1", "Host: a.example", "Host: b.example"],
            ["GET / HTTP/1.1", "Host: a.example/x"],
            ["GET / HTTP/1.1", "Host: a.example@b.example"],
            ["GET / HTTP/1.1", "Host: -.example"],
            ["GET / HTTP/1.1", "Host:"],
            ["hello"],
            ["GET  HTTP/1.1", "Host: a.example"],
            ["GET / HTTP/1.1", "Host: a.example", "no header"],
        ],
    )
    def test_nonsense_is_refused(self, world: RouterWorld, lines: list[str]) -> None:
        assert _asked(world, *lines).status == 400

    def test_what_could_be_taken_for_another_header_is_never_said(self, world: RouterWorld) -> None:
        answer = _asked(world, "GET /\rSet-Cookie:x=y HTTP/1.1", f"Host: {new_name()}")
        assert answer.status == 400
        assert answer.cookie is None

    def test_a_head_without_end_is_refused(self, world: RouterWorld) -> None:
        name = new_name()
        visitor = world.plain_visitor()
        visitor.send_beside(b"GET / HTTP/1.1\r\nHost: %s\r\n" % name.encode() + b"X-More: and more\r\n" * 50_000)
        try:
            said = visitor.take(12)
        except ConnectionResetError:
            # It need not hear the answer to the end to have been refused.
            said = b""
        assert said[9:10] in (b"", b"4")

    def test_a_link_that_takes_no_challenge_is_said_to_be_away(self, world: RouterWorld) -> None:
        name = world.route(unused_address())
        assert _asked(world, f"GET {CHALLENGE} HTTP/1.1", f"Host: {name}").status in (502, 503)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    location: str | None
    cookie: str | None
    body: bytes


def _asked(world: RouterWorld, *lines: str, after: bytes = b"") -> _Answer:
    visitor = world.plain_visitor()
    visitor.send(_request(*lines) + after)
    return _answer(visitor, lines[0].partition(" ")[0])


def _request(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def _answer(visitor: Stream, method: str) -> _Answer:
    with http.client.HTTPResponse(visitor.socket, method=method) as answer:
        answer.begin()
        body = answer.read()
        return _Answer(answer.status, answer.getheader("Location"), answer.getheader("Set-Cookie"), body)


def _head(stream: Stream) -> tuple[str, dict[str, str]]:
    """Return the first line of a request, and its headers by their names in lower case."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = stream.take(1)
        assert piece, f"it ended within its head: {head!r}"
        head += piece
    first, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
    return first, {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
