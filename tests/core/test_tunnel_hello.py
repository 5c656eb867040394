"""The hello of TCP mode: its bytes, what it proves, and that nothing makes its readers raise."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.needs_more import NeedsMore
from mosaic.core.tunnel_hello import (
    LONGEST_REGISTRATION,
    NONCE_BYTES,
    Answer,
    Challenge,
    Judged,
    Malformed,
    Purpose,
    ReadAnswer,
    ReadChallenge,
    ReadVerdict,
    Verdict,
    answer,
    challenge,
    is_gateway,
    is_proven,
    read_answer,
    read_challenge,
    read_verdict,
    refusal,
    welcome,
)

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
GATEWAY, LINK = bytes([0xA0]) * NONCE_BYTES, bytes([0x5B]) * NONCE_BYTES
VECTORS = Path(__file__).parent.parent / "vectors" / "tunnel.json"

names = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=64)
nonces = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
purposes = st.sampled_from(Purpose)
Reader = Callable[[bytes], ReadChallenge | ReadAnswer | ReadVerdict]


def _read(said: bytes) -> Answer:
    got = read_answer(said)
    assert isinstance(got, Answer)
    return got


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["hellos"], ids=lambda vector: vector["purpose"])
def test_the_bytes_are_those_that_were_written_down(vector: dict[str, str]) -> None:
    key, gateway, link = (bytes.fromhex(vector[name]) for name in ("key", "gateway_nonce", "link_nonce"))
    purpose = Purpose[vector["purpose"].upper()]
    assert challenge(gateway).hex() == vector["challenge"]
    said = answer(key, vector["registration"], purpose, gateway_nonce=gateway, link_nonce=link)
    assert said.hex() == vector["answer"]
    assert welcome(key, _read(said), gateway_nonce=gateway).hex() == vector["welcome"]


@given(names, purposes, nonces, nonces)
def test_what_a_link_answers_is_proven_to_who_has_its_key_and_to_nobody_else(
    name: str, purpose: Purpose, gateway: bytes, link: bytes
) -> None:
    given_answer = _read(answer(KEY, name, purpose, gateway_nonce=gateway, link_nonce=link))
    assert (given_answer.registration, given_answer.purpose) == (name, purpose)
    assert is_proven(given_answer, KEY, gateway_nonce=gateway)
    assert not is_proven(given_answer, OTHER_KEY, gateway_nonce=gateway)


def test_an_answer_that_was_recorded_proves_nothing_to_another_challenge() -> None:
    recorded = _read(answer(KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK))
    assert not is_proven(recorded, KEY, gateway_nonce=LINK)


@given(st.data())
def test_an_answer_of_which_a_single_bit_was_changed_is_refused(data: st.DataObject) -> None:
    said = bytearray(answer(KEY, "registration-1", Purpose.CONTROL, gateway_nonce=GATEWAY, link_nonce=LINK))
    at = data.draw(st.integers(0, len(said) * 8 - 1))
    said[at // 8] ^= 1 << at % 8
    got = read_answer(bytes(said))
    assert not isinstance(got, Answer) or not is_proven(got, KEY, gateway_nonce=GATEWAY)


def test_a_gateway_that_sends_the_link_its_own_proof_back_is_not_believed() -> None:
    given_answer = _read(answer(KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK))
    mirrored = Judged(Verdict.WELCOME, given_answer.proof)
    assert not is_gateway(mirrored, KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK)


def test_a_welcome_is_believed_for_its_own_hello_alone() -> None:
    given_answer = _read(answer(KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK))
    judged = read_verdict(welcome(KEY, given_answer, gateway_nonce=GATEWAY))
    assert isinstance(judged, Judged)
    assert is_gateway(judged, KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK)
    for key, name, purpose, gateway, link in (
        (OTHER_KEY, "one", Purpose.DATA, GATEWAY, LINK),
        (KEY, "two", Purpose.DATA, GATEWAY, LINK),
        (KEY, "one", Purpose.CONTROL, GATEWAY, LINK),
        (KEY, "one", Purpose.DATA, LINK, LINK),
        (KEY, "one", Purpose.DATA, GATEWAY, GATEWAY),
    ):
        assert not is_gateway(judged, key, name, purpose, gateway_nonce=gateway, link_nonce=link)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.LATER])
def test_a_refusal_is_read_as_what_it_is_and_is_no_welcome(verdict: Verdict) -> None:
    judged = read_verdict(refusal(verdict))
    assert isinstance(judged, Judged)
    assert judged.verdict is verdict
    assert not is_gateway(judged, KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK)


_ANSWERED = answer(KEY, "r" * LONGEST_REGISTRATION, Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK)
MESSAGES: list[tuple[Reader, bytes]] = [
    (read_challenge, challenge(GATEWAY)),
    (read_answer, _ANSWERED),
    (read_answer, answer(KEY, "r", Purpose.CONTROL, gateway_nonce=GATEWAY, link_nonce=LINK)),
    (read_verdict, welcome(KEY, _read(_ANSWERED), gateway_nonce=GATEWAY)),
    (read_verdict, refusal(Verdict.LATER)),
]


@pytest.mark.parametrize(("read", "message"), MESSAGES)
def test_split_at_every_byte_it_is_waited_for_and_never_for_more_than_the_message_has(
    read: Reader, message: bytes
) -> None:
    for cut in range(len(message)):
        got = read(message[:cut])
        assert isinstance(got, NeedsMore), f"{got} after {cut} bytes"
        assert cut < got.at_least <= len(message)
    assert isinstance(read(message), Challenge | Answer | Judged)
    assert read(message + b"x") is Malformed.TOO_LONG


@pytest.mark.parametrize(("read", "message"), MESSAGES)
def test_a_message_of_another_version_is_refused_from_its_version_on(read: Reader, message: bytes) -> None:
    at = 4 if read is read_challenge else 0
    other = message[:at] + b"\x02" + message[at + 1 :]
    assert {read(other[:cut]) for cut in range(at + 1, len(other) + 1)} == {Malformed.VERSION}


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_raise_or_wait_for_more_than_a_message_may_have(said: bytes) -> None:
    readers: list[Reader] = [read_challenge, read_answer, read_verdict]
    for read in readers:
        got = read(said)
        if isinstance(got, NeedsMore):
            assert len(said) < got.at_least <= 3 + LONGEST_REGISTRATION + 64


@given(st.binary(min_size=1, max_size=64))
def test_a_registration_is_letters_digits_and_dashes_or_nothing(name: bytes) -> None:
    got = read_answer(bytes([1, 1, len(name)]) + name + bytes(64))
    plain = all(chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "_-") for byte in name)
    assert isinstance(got, Answer) == plain


@pytest.mark.parametrize("said", [b"\x01\x00\x04", b"\x01\x03\x04", b"\x01\x01\x00", b"\x01\x01\x41"])
def test_a_purpose_or_a_length_that_there_is_not_is_refused_at_once(said: bytes) -> None:
    assert read_answer(said) is Malformed.CONTENT


def test_what_is_shown_of_a_hello_has_no_proof_in_it() -> None:
    said = answer(KEY, "one", Purpose.DATA, gateway_nonce=GATEWAY, link_nonce=LINK)
    shown = repr(_read(said))
    assert "proof" not in shown
    assert repr(said[-8:])[2:-1] not in shown
