"""DNS names: one spelling each, and none that could be taken for another, or for an address."""

import string
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mosaic.core.asked_name import asked_name
from mosaic.core.domain_name import (
    LONGEST,
    DomainNameUnusable,
    base_of,
    covers,
    is_name,
    is_under,
    is_wildcard,
    normalise,
    require_public,
)

JAPANESE = {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}
LABEL_LETTERS = string.ascii_lowercase + string.digits
labels = st.text(LABEL_LETTERS, min_size=1, max_size=20).filter(lambda one: not one.isdigit() and one[:2] != "0x")
names = st.lists(labels, min_size=2, max_size=5).map(".".join)


@given(names, st.randoms(use_true_random=False), st.booleans())
def test_every_spelling_of_a_name_is_the_same_name(name: str, draw: object, dot: bool) -> None:
    spelled = "".join(one.upper() if hash((str(draw), at)) % 2 else one for at, one in enumerate(name))
    assert normalise(spelled + "." * dot) == name


@given(st.text(max_size=80))
def test_a_name_that_is_taken_is_already_in_its_one_spelling(text: str) -> None:
    try:
        name = normalise(text)
    except DomainNameUnusable:
        return
    assert normalise(name) == name
    assert name.isascii() and name == name.lower() and not name.endswith(".") and len(name) <= LONGEST


@given(st.text(string.ascii_lowercase + "019-._*A\n", max_size=12) | names)
def test_one_rule_says_everywhere_which_text_is_a_name(text: str) -> None:
    try:
        taken = normalise(text) == text
    except DomainNameUnusable:
        # Beyond the rule `normalise` asks about other scripts alone.
        assume("--" not in text)
        taken = False
    assert is_name(text) == taken
    # What may be routed a visitor can ask for.
    assert not taken or asked_name(text.upper().encode()) == text


@pytest.mark.parametrize(
    "text",
    ["localhost", "a..b", "-a.b", "a.b-", "192.0.2.7", "a.0x7f", "a" * 64 + ".b", "ä.org", "a.b.", "A.b", "a.b\n", ""],
)
def test_what_is_no_name_is_none(text: str) -> None:
    assert not is_name(text)


@given(st.text(min_size=1, max_size=8))
def test_a_label_of_another_script_is_taken_only_in_its_normal_form_and_in_one_script(word: str) -> None:
    assume(not word.isascii())
    label = "xn--" + word.encode("punycode").decode()
    try:
        name = normalise(f"{label}.example.com")
    except DomainNameUnusable:
        return
    read = name.split(".")[0].removeprefix("xn--").encode().decode("punycode")
    assert read == unicodedata.normalize("NFKC", read).casefold()
    assert len({unicodedata.name(one).split(" ")[0] for one in read if one not in "0123456789-"} - JAPANESE) <= 1


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "a..b", "one", "-a.com", "a-.com", "a_b.com", "a b.com", "*.a.com", "a.*.com", "*", "*.com.",
        "a.com..",
        "1.2.3.4", "0x7f.1", "1.2.3.0x4", "[::1]", "::1", "bücher.example.com", "a.com:443", "https://a.com", "a.com/b",
        "a" * 64 + ".com", ".".join(["a" * 60] * 5), "ab--c.com", "xn--.com", "xn--a.com", "xn--zzz-.com", "a\x00.com",
        "xn--pple-43d.com",  # "аpple" with a Cyrillic а
        "xn--BCHER-KVA8445FOXZ.com",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(DomainNameUnusable, match="cannot be a link's name: "):
        normalise(name)


@pytest.mark.parametrize(
    "name",
    ["xn--bcher-kva.example.com", "xn--fiqs8s.com", "xn--wgv71a119e.jp", "xn--e1afmkfd.com", "3com.com", "a.b-c.d9"],
)
def test_words_of_one_script_are_names(name: str) -> None:
    assert normalise(name.upper() + ".") == name


@pytest.mark.parametrize(
    "name",
    [
        "app.localhost",
        "nas.local",
        "nas.lan",
        "a.test",
        "a.b.example",
        "1.168.192.in-addr.arpa",
        "x.home.arpa",
        "a.onion",
    ],
)
def test_names_of_a_house_are_not_published(name: str) -> None:
    with pytest.raises(DomainNameUnusable, match="nobody's in the public DNS"):
        require_public(normalise(name))


@given(names)
def test_a_wildcard_covers_what_is_right_below_it_and_nothing_else(name: str) -> None:
    claim = normalise(f"*.{name}", wildcard=True)
    assert is_wildcard(claim) and base_of(claim) == name
    assert covers(claim, f"one.{name}") and covers(claim, claim)
    assert not covers(claim, name) and not covers(claim, f"two.one.{name}") and not covers(name, f"one.{name}")


@given(names, labels)
def test_only_what_ends_with_a_dot_and_the_parent_is_under_it(parent: str, label: str) -> None:
    assert is_under(f"{label}.{parent}", parent) and is_under(f"*.{parent}", parent)
    assert not is_under(parent, parent) and not is_under(f"{label}{parent}", parent)
