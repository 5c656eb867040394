"""Tokens of links: derived alike by every Device, different in everything else, and never shown by accident."""

import itertools

import pytest

from mosaic.core.ids import LinkId
from mosaic.core.link_token import parse
from mosaic.crypto.link_tokens import derive, hash_of
from mosaic.crypto.secret import Secret
from mosaic.crypto.word_list import friendly_pair, friendly_words, word_list

ROOTS, LINKS = (Secret(b"r" * 32), Secret(b"s" * 32)), (LinkId("abcdefghij27"), LinkId("bcdefghij27a"))


def test_tokens_differ_by_root_key_link_and_number() -> None:
    made = [derive(root, link, number) for root in ROOTS for link in LINKS for number in (1, 2, 12)]
    assert len({hash_of(token) for token in made}) == len({token.secret for token in made}) == len(made)
    assert all(parse(str(token)) == token for token in made)


def test_every_device_derives_the_same_one() -> None:
    assert derive(ROOTS[0], LINKS[0], 3) == derive(Secret(b"r" * 32), LinkId("abcdefghij27"), 3)


def test_a_token_shows_its_secret_only_where_it_is_written() -> None:
    token = derive(ROOTS[0], LINKS[0], 1)
    assert token.secret not in repr(token) and token.secret in str(token)


@pytest.mark.parametrize("number", [0, -1, 10**6 + 1])
def test_a_number_that_no_hive_counts_to_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        derive(ROOTS[0], LINKS[0], number)


def test_friendly_words_can_be_told_apart_by_their_beginnings() -> None:
    words = friendly_words()
    assert len(words) > 1500 and set(words) < set(word_list())
    assert len({word[:4] for word in words}) == len(words)
    assert {"murder", "weapon", "zero"} & set(words) == set()
    assert all(one != other for one, other in itertools.islice(iter(friendly_pair, None), 200))
