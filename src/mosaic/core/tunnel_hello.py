"""The first words on each connection of TCP mode: gateway and link prove to each other that both know the tunnel key.

Three messages, all numbers big-endian, every length fixed or bounded:

| from | bytes |
|---|---|
| gateway | challenge: `MTUN`, version 1 (1), its nonce (32) |
| link | answer: version 1 (1), purpose (1), length of the registration (1), registration, its nonce (32), proof (32) |
| gateway | verdict: version 1 (1), verdict (1), its own proof (32; zeros unless it is a welcome) |

A proof is HMAC-SHA256 (RFC 2104) under the tunnel key over CONTEXT, who proves (`link` or
`gateway`), a zero byte, the purpose, the registration with its length, the
gateway's nonce and the link's. Fresh nonces of both make a recorded hello worthless;
naming who proves keeps a proof from being sent back.

This proves who opened a connection, and hides nothing: what passes afterwards is TLS
already. Whoever can change packets on the way can take a proven connection over, and then sees
what anybody on the way sees of TLS.

The readers are given all that has come of one message, and never raise.
"""

import hashlib
import hmac
import string
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from mosaic.core.needs_more import NeedsMore

CONTEXT = b"mosaic tunnel hello v1\0"
VERSION = 1
NONCE_BYTES = 32
KEY_BYTES = 32
LONGEST_REGISTRATION = 64

_MAGIC = b"MTUN"
_PROOF_BYTES = 32
_CHALLENGE_BYTES = len(_MAGIC) + 1 + NONCE_BYTES
_VERDICT_BYTES = 2 + _PROOF_BYTES
_ANSWER_HEAD = 3
_NAME_CHARACTERS = frozenset((string.ascii_letters + string.digits + "_-").encode())


class Purpose(Enum):
    """What a connection is for."""

    DATA = 1
    CONTROL = 2


class Verdict(Enum):
    """What a gateway makes of an answer. It does not tell a registration that it lacks from a wrong key.

    LATER is for who may be right, and comes at a bad time: there are enough connections, or nobody can be asked.
    """

    WELCOME = 0
    UNKNOWN = 1
    LATER = 2


_PURPOSES = frozenset(known.value for known in Purpose)
_VERDICTS = frozenset(known.value for known in Verdict)


class Malformed(Enum):
    """Why a message is none of ours."""

    NOT_OURS = "it is not what a tunnel's hello begins with"
    VERSION = "it is of another version of the tunnel"
    CONTENT = "it has a value that there is not"
    TOO_LONG = "more came than the message has"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a gateway begins with."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a link answers. Nothing of it is believed before `is_proven`."""

    registration: str
    purpose: Purpose
    nonce: bytes
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a gateway ends with. A welcome is believed only if `is_gateway`."""

    verdict: Verdict
    proof: bytes = field(repr=False)


ReadChallenge: TypeAlias = Challenge | NeedsMore | Malformed
ReadAnswer: TypeAlias = Answer | NeedsMore | Malformed
ReadVerdict: TypeAlias = Judged | NeedsMore | Malformed


def challenge(nonce: bytes) -> bytes:
    """Return the challenge. The nonce has to be random and is used once."""
    return _MAGIC + bytes([VERSION]) + nonce


def read_challenge(said: bytes) -> ReadChallenge:
    """Read a challenge from as much of it as has come."""
    start = said[: len(_MAGIC)]
    if start != _MAGIC[: len(start)]:
        return Malformed.NOT_OURS
    return _wrong_frame(said[len(_MAGIC) :], len(said), _CHALLENGE_BYTES) or Challenge(said[-NONCE_BYTES:])


def answer(key: bytes, registration: str, purpose: Purpose, *, gateway_nonce: bytes, link_nonce: bytes) -> bytes:
    """Return a link's answer. `registration` has 1 to LONGEST_REGISTRATION letters, digits, `_` and `-` of ASCII."""
    name = registration.encode("ascii")
    if not _is_name(name):
        raise ValueError("this is no registration's name")
    proof = _proof(key, b"link", purpose, name, gateway_nonce, link_nonce)
    return bytes([VERSION, purpose.value, len(name)]) + name + link_nonce + proof


def read_answer(said: bytes) -> ReadAnswer:
    """Read an answer from as much of it as has come."""
    if len(said) < _ANSWER_HEAD:
        return _wrong_frame(said, len(said), _ANSWER_HEAD) or NeedsMore(_ANSWER_HEAD)
    purpose, length = said[1], said[2]
    if not 1 <= length <= LONGEST_REGISTRATION or purpose not in _PURPOSES:
        return Malformed.VERSION if said[0] != VERSION else Malformed.CONTENT
    end = _ANSWER_HEAD + length
    wrong = _wrong_frame(said, len(said), end + NONCE_BYTES + _PROOF_BYTES)
    name = said[_ANSWER_HEAD:end]
    if wrong is not None:
        return wrong
    if not _is_name(name):
        return Malformed.CONTENT
    return Answer(name.decode("ascii"), Purpose(purpose), said[end : end + NONCE_BYTES], said[-_PROOF_BYTES:])


def is_proven(given: Answer, key: bytes, *, gateway_nonce: bytes) -> bool:
    """Whether the answer's proof was made with this key for this challenge. Takes as long for any other."""
    name = given.registration.encode("ascii")
    return hmac.compare_digest(_proof(key, b"link", given.purpose, name, gateway_nonce, given.nonce), given.proof)


def welcome(key: bytes, given: Answer, *, gateway_nonce: bytes) -> bytes:
    """Return the verdict for an answer that was proven, with the gateway's own proof."""
    name = given.registration.encode("ascii")
    return bytes([VERSION, Verdict.WELCOME.value]) + _proof(
        key, b"gateway", given.purpose, name, gateway_nonce, given.nonce
    )


def refusal(verdict: Verdict) -> bytes:
    """Return a verdict that is no welcome."""
    return bytes([VERSION, verdict.value]) + bytes(_PROOF_BYTES)


def read_verdict(said: bytes) -> ReadVerdict:
    """Read a verdict from as much of it as has come."""
    wrong = _wrong_frame(said, len(said), _VERDICT_BYTES)
    if wrong is not None:
        return wrong
    if said[1] not in _VERDICTS:
        return Malformed.CONTENT
    return Judged(Verdict(said[1]), said[2:])


def is_gateway(
    given: Judged, key: bytes, registration: str, purpose: Purpose, *, gateway_nonce: bytes, link_nonce: bytes
) -> bool:
    """Whether a welcome came from a gateway that has this key."""
    wanted = _proof(key, b"gateway", purpose, registration.encode("ascii"), gateway_nonce, link_nonce)
    return given.verdict is Verdict.WELCOME and hmac.compare_digest(wanted, given.proof)


def _proof(key: bytes, who: bytes, purpose: Purpose, name: bytes, gateway_nonce: bytes, link_nonce: bytes) -> bytes:
    said = CONTEXT + who + b"\0" + bytes([purpose.value, len(name)]) + name + gateway_nonce + link_nonce
    return hmac.new(key, said, hashlib.sha256).digest()


def _wrong_frame(versioned: bytes, have: int, wanted: int) -> NeedsMore | Malformed | None:
    """Look at the version and the length of a message; None when both are right."""
    if versioned and versioned[0] != VERSION:
        return Malformed.VERSION
    if have < wanted:
        return NeedsMore(wanted)
    return Malformed.TOO_LONG if have > wanted else None


def _is_name(name: bytes) -> bool:
    return 1 <= len(name) <= LONGEST_REGISTRATION and _NAME_CHARACTERS.issuperset(name)
