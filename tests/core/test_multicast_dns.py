"""Messages of multicast DNS, as others write them and as they read ours (dnspython)."""

import struct

import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import multicast_dns as mdns
from mosaic.core.multicast_dns import Question, Record

QUERY = dns.message.make_query("Notes.local.", "A", flags=0)


def test_a_question_of_another_program_is_read() -> None:
    found = mdns.read(QUERY.to_wire())
    assert found is not None and not found.is_answer
    assert found.questions == (Question("notes.local", mdns.A, False),)


def test_names_that_lead_back_are_read() -> None:
    answer = dns.message.make_response(QUERY)
    answer.use_edns(False)
    for address in ("192.0.2.1", "192.0.2.2"):
        answer.answer.append(dns.rrset.from_text("notes.local.", 120, "IN", "A", address))
    found = mdns.read(answer.to_wire())
    assert found is not None and found.is_answer
    assert [(one.name, one.about) for one in found.answers] == [
        ("notes.local", bytes([192, 0, 2, 1])),
        ("notes.local", bytes([192, 0, 2, 2])),
    ]


def test_another_program_reads_our_answer() -> None:
    record = mdns.address_record("notes.local", "192.0.2.7")
    found = dns.message.from_wire(mdns.write_answer([record], [mdns.nothing_else("notes.local")]))
    (said,), (beside,) = found.answer, found.additional
    # Of a class with its first bit set, which dnspython does not know, it shows the bytes.
    assert (said.name.to_text(), said[0].to_wire(), said.ttl) == ("notes.local.", bytes([192, 0, 2, 7]), 120)
    assert (said.rdclass, beside.rdclass, beside.rdtype) == (0x8001, 0x8001, dns.rdatatype.NSEC)


def test_another_program_reads_our_probe_and_our_answer_to_plain_dns() -> None:
    probe = dns.message.from_wire(mdns.write_probe("notes.local", "192.0.2.7"), one_rr_per_rrset=True)
    assert probe.question[0].rdtype == dns.rdatatype.ANY
    assert probe.authority[0][0].to_text() == "192.0.2.7"

    question = Question("notes.local", mdns.A, False)
    packet = mdns.write_legacy_answer(4711, question, [mdns.address_record("notes.local", "192.0.2.7", ttl_seconds=10)])
    answer = dns.message.from_wire(packet)
    assert (answer.id, answer.question[0].name.to_text(), answer.answer[0].ttl) == (4711, "notes.local.", 10)


def test_a_name_that_leads_from_place_to_place_is_no_message() -> None:
    # A record whose content are pointers, each to the one before, and a question that begins at the last.
    begin, count = 12 + 11, 1000
    chain = b"\0\0" + b"".join(struct.pack("!H", 0xC000 | begin + 2 * at) for at in range(count))
    record = b"\0" + struct.pack("!2HIH", 16, 1, 9, len(chain)) + chain
    asked = struct.pack("!H", 0xC000 | begin + 2 * count) + struct.pack("!2HIH", 1, 1, 9, 0)
    assert mdns.read(struct.pack("!6H", 0, 0x8000, 0, 1, 0, 0) + record) is not None
    assert mdns.read(struct.pack("!6H", 0, 0x8000, 0, 2, 0, 0) + record + asked) is None


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(LABELS, st.ip_addresses(v=4), st.integers(0, 2**31))
def test_what_is_written_is_read_back(label: str, address: object, ttl: int) -> None:
    record = mdns.address_record(f"{label}.local", str(address), ttl_seconds=ttl)
    found = mdns.read(mdns.write_answer([record]))
    assert found is not None and found.answers == (record,)
    probe = mdns.read(mdns.write_probe(f"{label}.local", str(address)))
    assert probe is not None and probe.questions == (Question(f"{label}.local", mdns.ANY, False),)
    assert probe.proposed == (mdns.address_record(f"{label}.local", str(address)),)


@given(st.binary(max_size=400))
def test_whatever_a_stranger_sends_is_read_or_refused(packet: bytes) -> None:
    mdns.read(packet)


@given(st.binary(max_size=60), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_a_header_may_promise_what_does_not_come(rest: bytes, asked: int, answered: int, proposed: int) -> None:
    found = mdns.read(struct.pack("!6H", 1, 0, asked, answered, proposed, 0) + rest)
    assert found is None or all(isinstance(one, Record) for one in found.answers)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\xc0\x0c\x00\x01\x00\x01",
        struct.pack("!6H", 0, 0, 65535, 65535, 0, 0),
        struct.pack("!6H", 0, 0, 1, 0, 0, 0) + b"\x05no",
        struct.pack("!6H", 0, 0x8000, 0, 1, 0, 0) + b"\0" + struct.pack("!2HIH", 1, 1, 9, 400),
    ],
)
def test_no_message_is_none(packet: bytes) -> None:
    assert mdns.read(packet) is None
