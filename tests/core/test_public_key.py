"""One key has one spelling, and what is no key is refused without being repeated."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.public_key import KeyMalformed, of_bytes, of_hex, parse, to_hex

raws = st.binary(min_size=32, max_size=32)


@given(raws)
def test_both_spellings_are_of_the_same_key(raw: bytes) -> None:
    key = of_bytes(raw)
    assert to_hex(key) == raw.hex()
    assert of_hex(raw.hex()) == parse(key) == key


@given(raws, st.sampled_from(string.ascii_letters + string.digits + "+/"))
def test_of_all_spellings_of_the_same_bytes_one_is_taken(raw: bytes, last: str) -> None:
    # The last character before the padding has two bits that no byte needs.
    other = of_bytes(raw)[:-2] + last + "="
    if base64.b64decode(other) == raw and other != of_bytes(raw):
        with pytest.raises(KeyMalformed):
            parse(other)
    else:
        assert parse(of_bytes(base64.b64decode(other))) == of_bytes(base64.b64decode(other))


@given(st.text().filter(lambda text: len(text) != 44))
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyMalformed) as refused:
        parse(text)
    assert len(text) < 8 or text not in refused.value.with_hint


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 31, "00" * 33])
def test_hex_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyMalformed):
        of_hex(text)
