"""Names that are given out: free, one's own, and never anybody's double."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.domain_name import normalise
from mosaic.core.link_names import (
    RESERVED,
    LabelUnusable,
    NoFreeName,
    check_label,
    default_name,
    own_domain,
    random_label,
)

words = st.lists(st.sampled_from(["apple", "brave", "cabin", "daisy"]), max_size=4, unique=True)
LABEL, BASE = "brave-otter", "apps.example.net"


@given(st.text(max_size=60), words, st.sets(st.integers(0, 3)))
def test_a_given_name_is_free_and_right_under_the_accounts_label(app: str, drawn: list[str], taken: set[int]) -> None:
    asked: list[str] = []

    def is_taken(name: str) -> bool:
        asked.append(name)
        return len(asked) - 1 in taken

    try:
        name = default_name(app, LABEL, BASE, drawn, is_taken=is_taken)
    except NoFreeName:
        assert len(asked) <= len(drawn) + 1 and set(range(len(asked))) <= taken
        return
    assert name == asked[-1] == normalise(name) and len(asked) - 1 not in taken
    assert name.partition(".")[2] == own_domain(LABEL, BASE)
    assert "--" not in name


def test_a_name_that_is_taken_gets_a_word_behind_it() -> None:
    taken = {"notes.brave-otter.apps.example.net", "notes-apple.brave-otter.apps.example.net"}
    name = default_name("notes", LABEL, BASE, ["apple", "cabin"], is_taken=taken.__contains__)
    assert name == "notes-cabin.brave-otter.apps.example.net"


@pytest.mark.parametrize("app", ["mail", "www", "Admin"])
def test_a_name_that_means_something_never_stands_alone(app: str) -> None:
    name = default_name(app, LABEL, BASE, ["apple"], is_taken=lambda _: False)
    assert name == f"{app.lower()}-apple.{LABEL}.{BASE}"


def test_a_label_of_two_words_that_somebody_has_is_not_given_again() -> None:
    pairs = [("brave", "otter"), ("sunny", "river")]
    assert random_label(pairs, is_taken={"brave-otter"}.__contains__) == "sunny-river"
    with pytest.raises(NoFreeName):
        random_label(pairs[:1], is_taken=lambda _: True)


@pytest.mark.parametrize(
    "label",
    ["", "ab", "-abc", "abc-", "a.b.c", "a_bc", "1abc", "xn--abc", "a--b", "bücher", "аррӏе", "a" * 41, "abc\n",
     "a b c",
     "www", "Admin", "mail2", "ns-1", "mosaic"],
)  # fmt: skip
def test_labels_that_could_mislead_are_refused(label: str) -> None:
    with pytest.raises(LabelUnusable):
        check_label(label)


@given(st.text(max_size=45))
def test_a_label_that_is_taken_is_one_of_dns_and_nobodys_role(text: str) -> None:
    try:
        label = check_label(text)
    except LabelUnusable:
        return
    assert check_label(label) == label and label not in RESERVED
    assert normalise(f"notes.{label}.{BASE}").split(".")[1] == label
