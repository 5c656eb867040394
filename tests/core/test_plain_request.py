"""Reading requests of plain HTTP, and what is said to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.needs_more import NeedsMore
from mosaic.core.plain_request import MOST_BYTES, Nonsense, PlainRequest, read, to_https, written_anew

HOST = b"Host: Notes.Example.org:80\r\n\r\n"
NAME = "notes.example.org"
TOKEN = "/.well-known/acme-challenge/a-Z_9"


def test_a_request_says_its_name_and_what_is_wanted() -> None:
    assert read(b"GET /a?b HTTP/1.1\r\nAccept: */*\r\n" + HOST) == PlainRequest("GET", NAME, "/a?b")
    assert read(b"POST / HTTP/1.0\r\n" + HOST) == PlainRequest("POST", NAME, "/")


def test_every_beginning_waits_and_what_follows_is_no_matter() -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST
    for size in range(len(sent)):
        assert isinstance(read(sent[:size]), NeedsMore)
    assert read(sent + b"\0\r\n\r\n") == PlainRequest("GET", NAME, "/")


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (b"http://Other.example", PlainRequest("GET", "other.example", "/")),
        (b"HTTP://other.example:80/x", PlainRequest("GET", "other.example", "/x")),
        (b"http://other.example?x", PlainRequest("GET", "other.example", "/?x")),
        (b"//other.example/x", PlainRequest("GET", NAME, "//other.example/x")),
    ],
)
def test_a_name_within_the_target_is_the_one_that_is_asked(target: bytes, asked: PlainRequest) -> None:
    assert read(b"GET " + target + b" HTTP/1.1\r\n" + HOST) == asked


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\r\nX: \0\r\n\r\n",
        b"GET /\rx HTTP/1.1\r\n" + HOST,
        b"GET /\xc3\xbc HTTP/1.1\r\n" + HOST,
        b"GET * HTTP/1.1\r\n" + HOST,
        b"GET x HTTP/1.1\r\n" + HOST,
        b"GET https://a.example/ HTTP/1.1\r\n" + HOST,
        b"GET http://user@a.example/ HTTP/1.1\r\n" + HOST,
        b"GET http:/// HTTP/1.1\r\n" + HOST,
        b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/2.0\r\n" + HOST,
        b"get / HTTP/1.1\r\n" + HOST,
        b"GET / HTTP/1.1\r\nHost: a.example:80:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example:x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
        b"\r\n",
        b"\x16\x03\x01",
    ],
)
def test_nonsense_is_known_as_such(sent: bytes) -> None:
    assert read(sent) == Nonsense()


def test_a_head_is_waited_for_up_to_its_limit() -> None:
    endless = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * MOST_BYTES
    assert read(endless[: MOST_BYTES - 1]) == NeedsMore(MOST_BYTES)
    assert read(endless[:MOST_BYTES]) == Nonsense()


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        (b"GET %s HTTP/1.1\r\n", True),
        (b"HEAD %s HTTP/1.0\r\n", True),
        (b"GET %s HTTP/1.1\r\nContent-Length: 0\r\n", True),
        (b"POST %s HTTP/1.1\r\n", False),
        (b"GET %s/x HTTP/1.1\r\n", False),
        (b"GET %s? HTTP/1.1\r\n", False),
        (b"GET %s%%2e HTTP/1.1\r\n", False),
        (b"GET /x%s HTTP/1.1\r\n", False),
        (b"GET /%s HTTP/1.1\r\n", False),
        (b"GET %s HTTP/1.1\r\nContent-Length: 5\r\n", False),
        (b"GET %s HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n", False),
        (b"GET %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", False),
    ],
)
def test_only_what_an_authority_asks_is_a_challenge(lines: bytes, passes: bool) -> None:
    asked = read(lines % TOKEN.encode() + HOST)
    assert isinstance(asked, PlainRequest)
    assert asked.is_challenge is passes


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_and_no_answer_has_a_line_of_the_visitors(sent: bytes) -> None:
    for whole in (sent, b"GET /" + sent + b" HTTP/1.1\r\n" + HOST, b"GET / HTTP/1.1\r\nHost: " + sent + b"\r\n\r\n"):
        asked = read(whole)
        if isinstance(asked, PlainRequest):
            assert to_https(asked).count(b"\r\n") == 5
            assert written_anew(asked).count(b"\r\n") == 4
            assert all(0x20 < byte < 0x7F for byte in f"{asked.name}{asked.target}".encode())
