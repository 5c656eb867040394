"""What `.composeappignores` leaves out of a bundle, by the rules of dockerignore."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ignore_patterns import PatternBad, Patterns, read
from mosaic.core.ignore_rules import IGNORE_FILE, IgnoreRules, IgnoreRulesBad, read_ignore_rules


def ignored(rules: str, *names: str) -> list[str]:
    read_rules = read_ignore_rules(rules.encode())
    return [name for name in names if read_rules.ignores(name)]


@pytest.mark.parametrize(
    ("rules", "matched", "passed"),
    [
        ("Dockerfile", "Dockerfile Dockerfile/x", "sub/Dockerfile Dockerfile2 dockerfile"),
        ("/app.py", "app.py", "sub/app.py"),
        ("sub/", "sub sub/x sub/a/b", "x/sub"),
        ("//a//b/./c/../", "a/b a/b/x", "a b a/c"),
        ("*.py", "a.py .py", "sub/a.py a.pyc"),
        ("*/x", "a/x a/x/y", "x a/b/x"),
        ("a?c", "abc", "ac a/c abbc"),
        ("[a-c0]x", "ax cx 0x", "dx x /x"),
        ("[^a-c]x", "dx", "ax sub/x"),
        ("a[^b]c", "axc", "abc a/c"),
        ("a[.-0]c", "a.c a0c", "a/c"),
        ("[a\\]b]", "a ] b", "c"),
        ("[!a]", "! a", "b"),
        ("**/x", "x a/x a/b/x a/x/y", "ax a/bx"),
        ("a/**", "a/b a/b/c", "a ab"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "ab a/xb"),
        ("**/*.pyc", "x.pyc a/b/x.pyc", "x.py"),
        ("**/**/x", "x a/b/x", "ax"),
        ("a**b", "ab ax/b", "axb"),
        ("a**", "a ab a/b", "b"),
        ("***.x", "a.x b/a.x", "a.y"),
        ("**/a/b", "a/b/c x/a/b/c", "a/x/b"),
        ("\\#x", "#x", "x \\#x"),
        ("\\!x", "!x", "x"),
        ("a\\*", "a*", "ab"),
        ("a.b+(c)$|^{1}", "a.b+(c)$|^{1}", "axb+(c)$|^{1}"),
        ("  padded \t\r", "padded", "x"),
        ("ä/ö?", "ä/öü", "a/oü"),
        ("# x\n#y\n\n  \n #z", "#z", "x y"),
        (".", "", "a . docker-compose.yml"),
        ("/", "", "a docker-compose.yml"),
    ],
)
def test_a_pattern_matches_as_in_a_dockerignore_file(rules: str, matched: str, passed: str) -> None:
    names = matched.split()
    assert ignored(rules, *names, *passed.split()) == names


@pytest.mark.parametrize(
    ("rules", "left_out"),
    [
        ("*.md\n!README.md", ["a.md"]),
        ("!README.md\n*.md", ["README.md", "a.md"]),
        ("docs\n!docs/keep", ["docs", "docs/x", "docs/sub/x"]),
        ("docs\n!docs/sub", ["docs", "docs/x", "docs/keep"]),
        ("*\n!docker-compose.yml\n! docs", ["README.md", "a.md"]),
        ("docs\n!**/x\n!docs/keep", ["docs"]),
    ],
)
def test_the_last_rule_that_matches_decides(rules: str, left_out: list[str]) -> None:
    names = ["README.md", "a.md", "docker-compose.yml", "docs", "docs/x", "docs/keep", "docs/sub/x"]
    assert ignored(rules, *names) == left_out


def test_a_folder_is_shipped_for_what_is_kept_in_it() -> None:
    rules = read_ignore_rules(b"data\n!data/deep/keep\ncache\n")
    names = ["cache", "cache/a", "data", "data/a", "data/deep", "data/deep/keep", "docker-compose.yml", IGNORE_FILE]
    assert rules.kept(names) == ["data", "data/deep", "data/deep/keep", "docker-compose.yml"]


@pytest.mark.parametrize("rules", ["", "# only words\n", f"!{IGNORE_FILE}\n", "x\n"])
def test_the_ignore_file_itself_is_never_shipped(rules: str) -> None:
    assert ignored(rules, IGNORE_FILE, "sub/" + IGNORE_FILE, "a") == [IGNORE_FILE]
    assert IgnoreRules().kept([IGNORE_FILE, "a"]) == ["a"]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (b"a\n[b\n", r":2: '\[b' is no pattern: a \[ is never closed"),
        (b"[]a]", ":1: .*stands where"),
        (b"[-a]", ":1: .*stands where"),
        (b"[a-]", ":1: .*has no end"),
        (b"[a-", ":1: .*has no end"),
        (b"[^]", ":1: .*stands where"),
        (b"[b-a]", ":1: .*ends before it begins"),
        (b"[a\\", r":1: .*ends with a \\"),
        (b"\n\na\\", r":3: .*ends with a \\"),
        (b"!", ":1: a ! takes nothing back"),
        (b"!  \n", ":1: a ! takes nothing back"),
        (b"x\n../y", ":2: .*leads out"),
        (b"a/../../y", ":1: .*leads out"),
        (b"ok\n\xff\n", ":2: the line is not UTF-8"),
        (b"#" * 20_000, "larger than 16 KiB"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_never_passed_over(rules: bytes, words: str) -> None:
    with pytest.raises(IgnoreRulesBad, match=re.escape(IGNORE_FILE) + f".*{words}") as refused:
        read_ignore_rules(rules)
    assert refused.value.hint


@pytest.mark.parametrize("rules", ["*", "# all\n\ndocker-compose.yml", "!docker-compose.yml\n\n*.yml", "a\nx\n**"])
def test_the_compose_file_cannot_be_left_out(rules: str) -> None:
    with pytest.raises(IgnoreRulesBad, match=r"leaves out docker-compose\.yml") as refused:
        read_ignore_rules(rules.encode())
    assert "!docker-compose.yml" in refused.value.hint
    assert refused.value.line == len(rules.splitlines())
    assert not read_ignore_rules(f"{rules}\n!docker-compose.yml\n".encode()).ignores("docker-compose.yml")


def test_a_file_that_begins_with_a_byte_order_mark_is_read() -> None:
    assert ignored("\ufeff# x\nsub", "sub", "x") == ["sub"]


TEXTS = st.text("ab/*?.[]^-\\", max_size=8)
NAMES = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join)


@given(st.lists(TEXTS, max_size=4), NAMES)
def test_many_patterns_at_once_say_what_each_says_by_itself(texts: list[str], name: str) -> None:
    patterns = [text for text in texts if is_pattern(text)]
    matching = [number for number, text in enumerate(patterns) if by_expression(text, name)]
    together = Patterns(patterns)
    assert together.last_match(together.walk(together.begin(), name)) == (matching[-1] if matching else None)


def is_pattern(text: str) -> bool:
    try:
        read(text)
    except PatternBad:
        return False
    return True


def by_expression(text: str, name: str) -> bool:
    """The same rules, said as a regular expression and asked of the name and each folder above it."""
    said = ""
    at = 0
    while at < len(text):
        if deep := re.match(r"\*\*/?", text[at:]):
            at += deep.end()
            said += ".*" if at == len(text) else "(?:.*/)?"
            continue
        if group := re.match(r"\[(\^?)((?:\\.|[^\]])+)\]", text[at:]):
            inside = re.sub(r"\\?(.)", lambda one: "-" if one[0] == "-" else re.escape(one[1]), group[2])
            said += f"(?![/])[{group[1]}{inside}]"
            at += group.end()
            continue
        character = text[at]
        if character == "\\":
            at += 1
            said += re.escape(text[at])
        else:
            said += {"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character))
        at += 1
    parts = name.split("/")
    return any(re.fullmatch(said, "/".join(parts[:count])) for count in range(1, len(parts) + 1))


@given(st.binary(max_size=60) | st.text("ab/*?.[]^-\\!# \n", max_size=60).map(str.encode), NAMES)
def test_any_bytes_are_read_or_refused_with_a_hint(content: bytes, name: str) -> None:
    try:
        rules = read_ignore_rules(content)
    except IgnoreRulesBad as refused:
        assert refused.hint
    else:
        assert rules.ignores(name) == (name not in rules.kept([name]))


@pytest.mark.parametrize(
    "hostile",
    [
        "a*" * 8_000 + "b",
        "*?" * 8_000 + "b",
        "**/a/" * 3_000 + "b",
        "\n".join(["*a*a*a*a*a*a*a*a*b"] * 850),
        "[^b]*" * 3_000 + "b",
        "\n".join(["**"] * 5_000 + ["!docker-compose.yml"]),
        "".join(f"{chr(code)}?" for code in range(0x4E00, 0x4E00 + 3_900)),
        "[" + "".join(chr(code) for code in range(0x4E00, 0x4E00 + 5_000)) + "]",
    ],
    ids=lambda text: text[:8],
)
def test_no_pattern_takes_long(hostile: str) -> None:
    # Tried one way after another, the first of these would not end in the lifetime of whoever waits for it.
    rules = read_ignore_rules(hostile.encode())
    names = ["a" * 250, "/".join("a" * 2_000), *(f"{'a' * 60}/{number}" for number in range(200))]
    assert len(rules.kept(names)) <= len(names)
