"""A signature holds for one key, one purpose and one message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.crypto.signing import public_key, sign, verify

SEED = bytes(range(32))
PURPOSE = b"test v1\0"


def test_the_public_key_is_the_one_of_the_standard() -> None:
    # RFC 8032, 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    assert public_key(seed) == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@given(st.binary(max_size=300))
def test_what_was_signed_verifies(message: bytes) -> None:
    assert verify(public_key(SEED), PURPOSE, message, sign(SEED, PURPOSE, message))


def test_every_flipped_bit_of_message_or_signature_is_noticed() -> None:
    message = b"a head"
    signature = sign(SEED, PURPOSE, message)
    key = public_key(SEED)
    for at in range(len(signature) * 8):
        assert not verify(key, PURPOSE, message, _flipped(signature, at))
    for at in range(len(message) * 8):
        assert not verify(key, PURPOSE, _flipped(message, at), signature)


def test_a_signature_for_one_purpose_is_none_for_another() -> None:
    signature = sign(SEED, b"test v1\0", b"1message")
    assert not verify(public_key(SEED), b"test v\0", b"1\x001message", signature)
    assert not verify(public_key(SEED), b"test v2\0", b"1message", signature)


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, "aa" * 31, "ü"])
def test_a_key_that_is_none_signed_nothing(key: str) -> None:
    assert not verify(key, PURPOSE, b"", sign(SEED, PURPOSE, b""))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_bytes_that_are_no_signature_sign_nothing(signature: bytes) -> None:
    assert not verify(public_key(SEED), PURPOSE, b"", signature)


@pytest.mark.parametrize("context", [b"", b"test", b"te\0st\0", b"\0\0"])
def test_a_context_must_end_with_its_only_zero_byte(context: bytes) -> None:
    with pytest.raises(ValueError, match="zero byte"):
        sign(SEED, context, b"")


def _flipped(content: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if at == bit // 8 else 0) for at, byte in enumerate(content))
