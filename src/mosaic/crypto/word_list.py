"""The English list of 2048 words (BIP 39): of passphrases, and of names that are easy to say.

No two of its words begin with the same four letters, so that none is taken for another.
"""

import secrets
from functools import cache

_UNFRIENDLY = (
    "abandon absent absurd abuse accident accuse afraid aggressive alarm alcohol anger angry anxiety arrest attack "
    "awful bitter blame bleak blind blood bomb broken bullet burden cancel casino cheat chaos claim clinic cruel crash "
    "crime danger deny destroy despair die dirt disease dismiss divorce doctor dose drip drug dumb enemy evil exile "
    "fatal fault fatigue fever fiscal fitness foil fragile fury garbage ghost gun hammer harsh hazard horror hospital "
    "hurt idle illegal illness injury insane jealous junk kidney kick knife lawsuit liar loan lonely maid mad mask "
    "murder naive nasty neglect obscure orphan pain panic patient peasant penalty pistol pill poverty prison problem "
    "punch rebel reject replace rifle riot rude sad satoshi scare shock sick slave slight stupid suffer surge "
    "suspect swear tattoo torch tortoise toxic tragic trap trash trigger ugly unfair uncover unhappy useless vacuum "
    "victim violent virus viable virtual vote war warfare weapon weird witness worry wreck wrong zero"
)
"""What nobody wants in the address of his photographs."""

_LONGEST = 7


@cache
def word_list() -> list[str]:
    """Return all 2048."""
    from mnemonic import Mnemonic

    return list(Mnemonic("english").wordlist)


@cache
def friendly_words() -> list[str]:
    """Return those that may stand in a name: friendly, 4–7 letters."""
    unfriendly = frozenset(_UNFRIENDLY.split())
    return [word for word in word_list() if 4 <= len(word) <= _LONGEST and word not in unfriendly]


def friendly_word() -> str:
    """Return one at random."""
    return secrets.choice(friendly_words())


def friendly_pair() -> tuple[str, str]:
    """Return two different ones at random: one of almost three million pairs."""
    one = friendly_word()
    while (other := friendly_word()) == one:
        pass
    return one, other
