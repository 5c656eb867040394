"""Six words, however they are typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.crypto import passphrase


def test_a_generated_passphrase_is_six_words_and_strong() -> None:
    words = passphrase.generate()
    assert len(words.split(" ")) == 6
    assert passphrase.normalise(words) == words
    passphrase.check_strength(words)


@given(st.text())
def test_normalising_twice_changes_nothing_for_plain_words(text: str) -> None:
    plain = "".join(character for character in text if character.isascii())
    assert passphrase.normalise(passphrase.normalise(plain)) == passphrase.normalise(plain)


@pytest.mark.parametrize("weak", ["", "hunter2", "aaaaaaaaaaaaaaaaaaaa", "password password password", "short words"])
def test_a_weak_passphrase_is_refused_with_a_way_out(weak: str) -> None:
    with pytest.raises(passphrase.PassphraseTooWeak) as refusal:
        passphrase.check_strength(weak)
    assert "six words" in refusal.value.hint


def test_parameters_of_a_new_account_are_never_weaker_than_promised() -> None:
    parameters = passphrase.new_parameters()
    assert (parameters.memory_kib, parameters.passes, parameters.lanes) == (65536, 4, 1)
    assert parameters.salt != passphrase.new_parameters().salt
