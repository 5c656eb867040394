"""Variables are filled in as compose does it, except that a missing one is an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.compose_document import ComposeInvalid, Json
from mosaic.core.compose_variables import VariableRequired, VariablesUnknown, escape, interpolate

KNOWN = {"A": "a", "EMPTY": "", "B2_": "b"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$A", "a"),
        ("${A}${B2_}", "ab"),
        ("x$A-y", "xa-y"),
        ("$$A", "$A"),
        ("$$$A", "$a"),
        ("${NO:-word}", "word"),
        ("${NO-word}", "word"),
        ("${EMPTY:-word}", "word"),
        ("${EMPTY-word}", ""),
        ("${A:-word}", "a"),
        ("${A:?needed}${EMPTY?needed}", "a"),
        ("${A:+word}${EMPTY:+word}${EMPTY+word}", "wordword"),
        ("${NO:-${ALSO_NO:-$A}}", "a"),
        ("${NO:-{}}", "{}"[:1] + "}"),
        ("no dollar", "no dollar"),
        ("", ""),
    ],
)
def test_a_variable_is_filled_in(text: str, filled: str) -> None:
    assert interpolate(text, KNOWN) == filled


@pytest.mark.parametrize("text", ["$", "$1", "${}", "${1}", "${A", "${A!}", "price: 5$", "$(date)", "${A:}"])
def test_a_dollar_sign_that_begins_nothing_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ComposeInvalid, match="dollar sign") as refused:
        interpolate([text], KNOWN)
    assert "$$" in refused.value.hint


def test_all_unknown_variables_are_named_at_once() -> None:
    with pytest.raises(VariablesUnknown) as refused:
        interpolate({"a": "$ONE", "b": ["${TWO}", {"c": "$ONE"}], "d": 1}, KNOWN)
    assert refused.value.names == ["ONE", "TWO"]


@pytest.mark.parametrize(("text", "words"), [("${NO:?give it}", "give it"), ("${NO?}", "$NO"), ("${EMPTY:?x}", "x")])
def test_a_required_variable_says_why(text: str, words: str) -> None:
    with pytest.raises(VariableRequired) as refused:
        interpolate(text, KNOWN)
    assert words in refused.value.message


documents: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents)
def test_what_was_escaped_survives_compose(document: Json) -> None:
    assert interpolate(escape(document), {}) == document
