"""Reading a ClientHello, from real ones and from what nobody honest would send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.client_hello import MOST_BYTES, Asks, Refusal, Refused, read
from mosaic.core.needs_more import NeedsMore
from support.hellos import (
    built_hello,
    extension,
    grease,
    in_records,
    message,
    padding,
    protocols,
    real_hello,
    server_name,
)

NAME = b"notes.example.org"
ASKS = Asks("notes.example.org")


@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1"), ("acme-tls/1",)])
def test_a_real_hello_says_its_name_and_protocols(alpn: tuple[str, ...]) -> None:
    asked = read(real_hello("Notes.Example.org", alpn=alpn))
    assert asked == Asks("notes.example.org", tuple(word.encode() for word in alpn))


def test_a_real_hello_without_a_name_is_refused() -> None:
    assert read(real_hello(None)) == Refused(Refusal.NO_NAME)


@pytest.mark.parametrize(
    "hello",
    [
        real_hello("notes.example.org", alpn=["h2"]),
        built_hello(grease(), padding(1500), server_name(NAME), protocols(b"h2")),
        built_hello(grease(), server_name(NAME), protocols(b"h2"), record_bytes=120),
        built_hello(grease(), server_name(NAME), protocols(b"h2"), record_bytes=11),
    ],
    ids=["real", "post-quantum size", "two records", "many records"],
)
def test_every_beginning_waits_for_more_and_the_whole_is_read(hello: bytes) -> None:
    for size in range(len(hello)):
        said = read(hello[:size])
        assert isinstance(said, NeedsMore)
        assert size < said.at_least <= len(hello)
    assert read(hello) == Asks("notes.example.org", (b"h2",))


def test_who_waits_for_what_is_said_to_lack_comes_to_the_end() -> None:
    hello = real_hello("notes.example.org")
    looks, size = 0, 0
    while isinstance(said := read(hello[:size]), NeedsMore):
        size, looks = said.at_least, looks + 1
    assert (said, size) == (ASKS, len(hello))
    assert looks <= 3


def test_what_follows_a_hello_is_no_matter() -> None:
    hello = built_hello(server_name(NAME))
    assert read(hello + b"\x17\x03\x03\xff\xff") == ASKS
    in_its_record = in_records(message(server_name(NAME)) + b"\xff" * 100)
    assert read(in_its_record) == ASKS


def test_values_that_mean_nothing_and_large_key_shares_are_passed_over() -> None:
    asked = read(
        built_hello(
            grease(), padding(4000), server_name(NAME), protocols(b"\x0a\x0a", b"h2"), extension(51, bytes(1300))
        )
    )
    assert asked == Asks("notes.example.org", (b"\x0a\x0a", b"h2"))


def test_a_hello_is_taken_up_to_16_kib_and_no_longer() -> None:
    without = len(built_hello(server_name(NAME), padding(0)))
    largest = built_hello(server_name(NAME), padding(MOST_BYTES - without))
    assert len(largest) == MOST_BYTES
    assert read(largest) == ASKS
    longer = built_hello(server_name(NAME), padding(MOST_BYTES - without + 1))
    # It is known from the first bytes: nobody has to keep 16 KiB of it.
    assert read(longer) == read(longer[:9]) == Refused(Refusal.TOO_LONG)


def test_a_hello_in_crumbs_is_refused() -> None:
    assert read(built_hello(server_name(NAME), record_bytes=1)) == Refused(Refusal.TOO_LONG)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"NOTES.example.ORG", "notes.example.org"),
        (b"notes.example.org.", "notes.example.org"),
        (b"xn--mller-kva.example", "xn--mller-kva.example"),
        (b"a_b.example", "a_b.example"),
        (b"localhost", "localhost"),
        (b"7.example", "7.example"),
    ],
)
def test_a_name_is_told_as_routes_are_keyed(sent: bytes, name: str) -> None:
    assert read(built_hello(server_name(sent))) == Asks(name)


@pytest.mark.parametrize(
    "sent",
    [b"192.0.2.1", b"192.0.2.1.", b"2130706433", b"0x7f000001", b"2001:db8::1", b"[2001:db8::1]", b".", b"..", b".a",
     b"a..b", b"-a.example", b"a-.example", b"a b", b"a\0b.example", b"a/b", b"*.example", "müller.example".encode(),
     b"\xff\xfe", b"x" * 64 + b".example", b"a." * 130 + b"example", b"a:443", b"a\n"],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(sent: bytes) -> None:
    assert read(built_hello(server_name(sent))) == Refused(Refusal.NO_HOST_NAME)


def test_several_names_are_refused_and_names_of_another_kind_are_not_looked_at() -> None:
    assert read(built_hello(server_name(NAME, b"other.example"))) == Refused(Refusal.SEVERAL_NAMES)
    assert read(built_hello(server_name(NAME, NAME))) == Refused(Refusal.SEVERAL_NAMES)
    assert read(built_hello(server_name(NAME, kind=7))) == Refused(Refusal.NO_NAME)


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        ([], Refusal.NO_NAME),
        ([grease()], Refusal.NO_NAME),
        ([extension(0, b"")], Refusal.BROKEN),
        ([extension(0, b"\0\0")], Refusal.BROKEN),
        ([extension(0, b"\0\3\0\0\0")], Refusal.BROKEN),
        ([extension(0, b"\0\5\0\0\3ab")], Refusal.BROKEN),
        ([extension(0, b"\0\4\0\0\1ax")], Refusal.BROKEN),
        ([server_name(NAME), server_name(NAME)], Refusal.BROKEN),
        ([server_name(NAME), grease(), grease()], Refusal.BROKEN),
        ([server_name(NAME), extension(16, b"\0\0")], Refusal.BROKEN),
        ([server_name(NAME), protocols(b"")], Refusal.BROKEN),
        ([server_name(NAME), b"\0"], Refusal.BROKEN),
    ],
)
def test_what_is_not_of_the_grammar_is_refused(extensions: list[bytes], why: Refusal) -> None:
    assert read(built_hello(*extensions)) == Refused(why)


def test_a_hello_without_any_extensions_names_nothing() -> None:
    bare = message()[4:-2]
    assert read(in_records(b"\x01" + len(bare).to_bytes(3, "big") + bare)) == Refused(Refusal.NO_NAME)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n", Refusal.NOT_TLS),
        (b"\x80\x2e\x01\x03\x01", Refusal.NOT_TLS),
        (b"\x16\x02", Refusal.NOT_TLS),
        (b"\x15\x03\x01\x00\x02\x01\x00", Refusal.NOT_TLS),
        (b"\x16\x03\x01\x00\x05\x02", Refusal.NOT_TLS),
        (b"\x16\x03\x01\x00\x00", Refusal.BROKEN),
        (b"\x16\x03\x01\x40\x01", Refusal.BROKEN),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x50\x17", Refusal.BROKEN),
        (in_records(message(server_name(NAME), session=bytes(33))), Refusal.BROKEN),
        (in_records(message(server_name(NAME), ciphers=b"\0")), Refusal.BROKEN),
        (in_records(message(server_name(NAME), ciphers=b"")), Refusal.BROKEN),
        (in_records(b"\x01\x00\x00\x00"), Refusal.BROKEN),
        (in_records(b"\x01\x00\x00\x02\x02\x00"), Refusal.BROKEN),
    ],
)
def test_other_first_bytes_are_refused_as_soon_as_they_are_seen(sent: bytes, why: Refusal) -> None:
    assert read(sent) == Refused(why)


hellos = st.builds(
    lambda extensions, record_bytes: built_hello(*extensions, record_bytes=record_bytes),
    st.lists(
        st.one_of(
            st.builds(server_name, st.binary(max_size=40)),
            st.builds(protocols, st.binary(max_size=20)),
            st.builds(extension, st.integers(0, 60), st.binary(max_size=60)),
        ),
        max_size=6,
    ),
    st.sampled_from([3, 17, 90, 2**14]),
)


@given(hellos, st.data())
def test_damaged_hellos_are_read_or_refused_and_an_answer_never_changes(hello: bytes, data: st.DataObject) -> None:
    damaged = bytearray(hello)
    for at in data.draw(st.lists(st.integers(0, len(hello) - 1), max_size=4)):
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    early, late = read(bytes(damaged[:cut])), read(bytes(damaged) + data.draw(st.binary(max_size=20)))
    assert early == late or isinstance(early, NeedsMore)


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(sent: bytes) -> None:
    said = read(sent)
    assert not isinstance(said, NeedsMore) or said.at_least > len(sent)


def test_no_more_than_16_kib_are_waited_for_in_records_either() -> None:
    hello = built_hello(server_name(NAME), padding(16_230), record_bytes=1000)
    for size in range(MOST_BYTES - 2000, MOST_BYTES + 1):
        said = read(hello[:size])
        assert not isinstance(said, NeedsMore) or size < said.at_least <= MOST_BYTES
    assert read(hello) == Refused(Refusal.TOO_LONG)


@given(st.integers(0, 2**14), st.integers(0, 2**24 - 1))
def test_no_more_than_16_kib_are_ever_waited_for(record: int, whole: int) -> None:
    said = read(b"\x16\x03\x01" + record.to_bytes(2, "big") + b"\x01" + whole.to_bytes(3, "big"))
    assert not isinstance(said, NeedsMore) or said.at_least <= MOST_BYTES
