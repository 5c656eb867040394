"""Messages of multicast DNS: read what others say, write what we say (RFC 6762, over RFC 1035 4.1).

Only what names of one IPv4 address need: A, and NSEC to say that there is nothing else. Names are lower-case
text without a dot at the end. What a stranger sends is read within its length, and is None when it is no message.
"""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

GROUP = "224.0.0.251"
PORT = 5353

A, AAAA, NSEC, ANY = 1, 28, 47, 255
TTL_SECONDS = 120
LEGACY_TTL_SECONDS = 10
"""For who asks from another port: a program that knows no multicast DNS, and keeps no cache up to date (6.7)."""

_IN = 1
_ANSWER, _AUTHORITATIVE = 0x8000, 0x0400
_FIRST_BIT = 0x8000
"""Of a class: in a question, that the asker may be answered alone (5.4); in a record, that it replaces (10.2)."""

_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!2H")
_RECORD = struct.Struct("!2HIH")
_MOST_PARTS = 200
_MOST_LABELS = 64
_MOST_POINTERS = 16
"""Of one name. Without a bound a packet of 9000 bytes could take a second to read."""

_ONLY_A = b"\x00\x01\x40"
"""A bitmap of record types with A alone (RFC 4034, 4.1.2)."""


@dataclass(frozen=True, slots=True)
class Question:
    """`alone`: the answer may come to the asker alone."""

    name: str
    kind: int
    alone: bool


@dataclass(frozen=True, slots=True)
class Record:
    """Something said of a name. `about` is as it lies in the message."""

    name: str
    kind: int
    ttl_seconds: int
    about: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """`proposed` is what an asker means to take (8.2)."""

    number: int
    is_answer: bool
    questions: tuple[Question, ...]
    answers: tuple[Record, ...]
    proposed: tuple[Record, ...]


def read(packet: bytes) -> Message | None:
    """Read a message; None for what is none, or says more than any that we care for."""
    try:
        number, flags, asked, answered, proposed, _ = _HEADER.unpack_from(packet)
        if asked + answered + proposed > _MOST_PARTS:
            return None
        at, questions = _HEADER.size, []
        for _ in range(asked):
            name, at = _name(packet, at)
            kind, of = _QUESTION.unpack_from(packet, at)
            at += _QUESTION.size
            if of & ~_FIRST_BIT == _IN:
                questions.append(Question(name, kind, bool(of & _FIRST_BIT)))
        answers, at = _records(packet, at, answered)
        wishes, at = _records(packet, at, proposed)
    except (struct.error, IndexError, ValueError):
        return None
    return Message(number, bool(flags & _ANSWER), tuple(questions), answers, wishes)


def address_record(name: str, address: str, *, ttl_seconds: int = TTL_SECONDS) -> Record:
    """Return that a name has this IPv4 address; a TTL of 0 takes it back."""
    return Record(name, A, ttl_seconds, ipaddress.IPv4Address(address).packed)


def nothing_else(name: str, *, ttl_seconds: int = TTL_SECONDS) -> Record:
    """Return that a name has an IPv4 address and nothing else, so that nobody waits for more (6.1)."""
    return Record(name, NSEC, ttl_seconds, _written(name) + _ONLY_A)


def write_probe(name: str, address: str) -> bytes:
    """Ask everybody whether anybody has the name, and say what we would have it be (8.1).

    The answer shall come to everybody too: a socket that is bound to the group is sent nothing else.
    """
    head = _HEADER.pack(0, 0, 1, 0, 1, 0)
    question = _written(name) + _QUESTION.pack(ANY, _IN)
    return head + question + _record(address_record(name, address), replaces=False)


def write_answer(answers: Sequence[Record], more: Sequence[Record] = ()) -> bytes:
    """Say something to everybody, or to an asker who knows multicast DNS."""
    head = _HEADER.pack(0, _ANSWER | _AUTHORITATIVE, 0, len(answers), 0, len(more))
    return head + b"".join(_record(one, replaces=True) for one in [*answers, *more])


def write_legacy_answer(number: int, question: Question, answers: Sequence[Record]) -> bytes:
    """Answer an asker of plain DNS: under his number, with his question (6.7)."""
    head = _HEADER.pack(number, _ANSWER | _AUTHORITATIVE, 1, len(answers), 0, 0)
    asked = _written(question.name) + _QUESTION.pack(question.kind, _IN)
    return head + asked + b"".join(_record(one, replaces=False) for one in answers)


def _records(packet: bytes, at: int, count: int) -> tuple[tuple[Record, ...], int]:
    found = []
    for _ in range(count):
        name, at = _name(packet, at)
        kind, of, ttl_seconds, size = _RECORD.unpack_from(packet, at)
        at += _RECORD.size
        if at + size > len(packet):
            raise ValueError("a record longer than its message")
        if of & ~_FIRST_BIT == _IN:
            found.append(Record(name, kind, ttl_seconds, packet[at : at + size]))
        at += size
    return tuple(found), at


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """Return the name there and where it ends. A pointer leads back, and never on to itself."""
    labels: list[str] = []
    end, least, pointers = -1, at, 0
    while size := packet[at]:
        if size & 0xC0 == 0xC0:
            end = at + 2 if end < 0 else end
            at = struct.unpack_from("!H", packet, at)[0] & 0x3FFF
            pointers += 1
            if at >= least or pointers > _MOST_POINTERS:
                raise ValueError("a name that leads to itself, or from place to place")
            least = at
            continue
        if size & 0xC0 or len(labels) >= _MOST_LABELS or at + 1 + size > len(packet):
            raise ValueError("no name")
        labels.append(packet[at + 1 : at + 1 + size].decode("utf-8", "replace").lower())
        at += 1 + size
    return ".".join(labels), at + 1 if end < 0 else end


def _written(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(record: Record, *, replaces: bool) -> bytes:
    of = _IN | _FIRST_BIT if replaces else _IN
    return _written(record.name) + _RECORD.pack(record.kind, of, record.ttl_seconds, len(record.about)) + record.about
