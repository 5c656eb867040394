"""Reading the text of a compose file: what a word means, and what no file may do to the reader."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.compose_yaml import parse
from mosaic.core.compose_document import MAX_DEPTH, MAX_VALUES, ComposeInvalid, to_json

MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)
ALIASES = "a0: &a0 [v]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
CHAIN = (
    "p: [[&a0 {k: v}" + "".join(f", &a{level} {{<<: *a{level - 1}}}" for level in range(1, 2000)) + "]]\nq: *a1999\n"
)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *[("true", True), ("FALSE", False), ("yes", "yes"), ("off", "off"), ("n", "n"), ("On", "On"), ("tRue", "tRue")],
        *[("~", None), ("null", None), ("", None), ("nUll", "nUll"), ("=", "="), ("<<", "<<"), ("'<<'", "<<")],
        *[("12:30:00", "12:30:00"), ("2020-01-01", "2020-01-01"), ("2023-13-45", "2023-13-45"), ("010", 8)],
        *[("2020-01-01 10:00:00", "2020-01-01 10:00:00"), ("'010'", "010"), ('"true"', "true"), ("1.10", 1.1)],
        *[("!!str 12", "12"), ("!!int 12", 12), ("!!float 12", 12.0), ("!!timestamp 2020-01-01", "2020-01-01")],
    ],
)
def test_a_word_means_what_it_means_to_compose(word: str, meant: object) -> None:
    assert parse(f"key: {word}\n".encode()) == {"key": meant}


def test_a_merge_key_brings_what_it_stands_for() -> None:
    text = b"x: &x {a: 1, b: 2}\nweb: {<<: *x, b: 3}\nlist: {<<: [*x, {c: 4}]}\nwords: [<<]\n"
    assert parse(text) == {
        "x": {"a": 1, "b": 2},
        "web": {"a": 1, "b": 3},
        "list": {"a": 1, "b": 2, "c": 4},
        "words": ["<<"],
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "[" * 1_000_000, "too large when its aliases are written out"),
        ("a: " + "{b: " * 200_000, "too large when its aliases are written out"),
        ("- " * 200_000, "too large when its aliases are written out"),
        (MERGES, "too large when its aliases are written out"),
        (ALIASES, "too large when its aliases are written out"),
        (CHAIN, "too large when its aliases are written out"),
        ("a: [" + "1," * 400_000 + "]", "too large when its aliases are written out"),
        ("x" * 2**20 + "x", "larger than 1 MiB"),
        ("a: &a [*a]", r"alias \*a in line 1 stands for nothing"),
        ("a: &a {<<: *a}", r"alias \*a in line 1 stands for nothing"),
        ("a: &a 1\nb: &a [*a]", r"alias \*a in line 2 stands for nothing"),
        ("a: 1\nb: *other", r"alias \*other in line 2 stands for nothing"),
    ],
    ids=lambda value: value[:12],
)
def test_a_file_that_would_grow_without_end_is_refused_before_anything_is_built(text: str, words: str) -> None:
    with pytest.raises(ComposeInvalid, match=words) as refused:
        parse(text.encode())
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", "while parsing a flow node, did not find"),
        ("a: 1\nb: [}", "in line 2: while parsing"),
        ("a: !!int x", "'x' is no whole number"),
        ("a: !!float x", "'x' is no number"),
        ("a: !!bool yes", "'yes' is no flag"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("? [a]\n: b", "unhashable key"),
        ("a: 1\n---\nb: 1", "expected a single document"),
        ("a: '\x00'", "not YAML"),
    ],
)
def test_what_is_not_yaml_is_said_with_its_line_and_its_cause(text: str, words: str) -> None:
    with pytest.raises(ComposeInvalid, match=words) as refused:
        parse(text.encode())
    assert refused.value.hint


def test_every_file_that_is_small_enough_for_the_rest_is_read() -> None:
    wide = parse(b"".join(b"k%d: {}\n" % number for number in range(MAX_VALUES - 1)))
    deep = parse(b"a: " + b"[" * (MAX_DEPTH - 1) + b"b" + b"]" * (MAX_DEPTH - 1))
    assert isinstance(to_json(wide), dict) and isinstance(to_json(deep), dict)


@given(st.binary(max_size=60) | st.text("[]{}:,&*a<!|>-?' \n1t~\"#%@", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_hint(text: bytes) -> None:
    before = sys.getrecursionlimit()
    try:
        parse(text)
    except ComposeInvalid as refused:
        assert refused.hint
    assert sys.getrecursionlimit() == before


TAGS = (
    "",
    "!!int ",
    "!!float ",
    "!!bool ",
    "!!null ",
    "!!timestamp ",
    "!!binary ",
    "!!set ",
    "!!omap ",
    "!!pairs ",
    "! ",
)


@given(
    st.sampled_from(["", "! ", *TAGS]),
    st.text("0123-:.xTZ truefals~=", max_size=12),
    st.sampled_from(["", "'", "["]),
)
def test_any_tag_on_any_word_is_read_or_refused_with_a_hint(tag: str, word: str, quote: str) -> None:
    closing = "]" if quote == "[" else quote
    try:
        parse(f"key: {tag}{quote}{word}{closing}\n".encode())
    except ComposeInvalid as refused:
        assert refused.hint
