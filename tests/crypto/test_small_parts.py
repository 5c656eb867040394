"""Secrets that do not show, codes that forgive, verifiers and tokens."""

import pickle
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.crypto import password, recovery, tokens
from mosaic.crypto.secret import Secret


@given(st.binary(min_size=4, max_size=40))
def test_a_secret_never_shows(raw: bytes) -> None:
    secret = Secret(raw)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>10}", "%s" % secret, repr([secret])):  # noqa: UP031 (this way is tried too)
        assert "Secret(…)" in shown
    assert secret.reveal() == raw
    assert secret == Secret(raw)
    assert secret != raw


def test_a_secret_is_not_stored_or_sent_by_accident() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(b"key"))
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret(b"key"))
    with pytest.raises(TypeError):
        hash(Secret(b"key"))


def test_a_traceback_does_not_show_a_secret() -> None:
    words = b"dreadful " + b"secret"
    try:
        raise ValueError(Secret(words))
    except ValueError as error:
        assert words.decode() not in "".join(traceback.format_exception(error))


@given(st.binary(min_size=20, max_size=20))
def test_a_recovery_code_is_read_as_it_was_written(raw: bytes) -> None:
    written = recovery.write(Secret(raw))
    assert recovery.read(written).reveal() == raw
    assert recovery.read(written.lower().replace("-", "  ")).reveal() == raw
    assert recovery.read(written.replace("O", "0").replace("I", "1").replace("B", "8")).reveal() == raw


@given(st.binary(min_size=20, max_size=20), st.integers(0, 35), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_mistyped_recovery_code_is_told_from_a_wrong_one(raw: bytes, at: int, letter: str) -> None:
    typed = list(recovery.write(Secret(raw)).replace("-", ""))
    if typed[at] == letter:
        return
    typed[at] = letter
    try:
        # Twenty bits of checksum: one slip in a million still reads as another code, never as this one.
        assert recovery.read("".join(typed)).reveal() != raw
    except recovery.RecoveryCodeUnreadable as refusal:
        assert "mistyped" in refusal.message


@pytest.mark.parametrize("text", ["", "ABCD", "!" * 36, "A" * 35, "A" * 37])
def test_what_is_no_recovery_code_is_refused(text: str) -> None:
    with pytest.raises(recovery.RecoveryCodeUnreadable):
        recovery.read(text)


def test_a_verifier_accepts_its_password_and_no_other() -> None:
    verifier = password.hash_password("a password")
    assert verifier.startswith("$argon2id$")
    assert password.check_password("a password", verifier)
    assert not password.check_password("a passwore", verifier)
    assert not password.check_password("a password", "not a verifier")
    assert password.hash_password("a password") != verifier


def test_tokens_are_long_and_their_hash_is_what_is_kept() -> None:
    assert len(tokens.new_token()) == 43
    assert tokens.new_token() != tokens.new_token()
    assert tokens.hash_token("x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert len(tokens.new_code()) == 14
    assert tokens.same("a", "a")
    assert not tokens.same("a", "b")
