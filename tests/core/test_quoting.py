"""What is pasted is read as what was meant, by the programs' own rules."""

import re
import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import quoting
from mosaic.core.quoting import ValueUnpastable

values = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff"))
nasty = st.one_of(values, st.text("'\"\\$`%{}⟨⟩ !*#;&|<>~-=,\u00e9\u6f22"))


@given(nasty)
def test_a_shell_reads_the_value_as_one_word_and_expands_nothing(value: str) -> None:
    assert shlex.split(f"docker run -e A={quoting.shell(value)} image") == [
        "docker",
        "run",
        "-e",
        f"A={value}",
        "image",
    ]


@given(nasty)
def test_a_shell_value_is_quoted_as_the_standard_library_does(value: str) -> None:
    assert quoting.shell(value) == shlex.quote(value)


@given(nasty)
def test_compose_reads_the_value_after_yaml_and_its_own_dollars(value: str) -> None:
    read = yaml.safe_load(f'environment:\n- "A={quoting.compose(value)}"\n')["environment"][0][2:]
    assert "$" not in read.replace("$$", "")
    assert read.replace("$$", "$") == value


@given(nasty)
def test_systemd_reads_the_value_from_an_environment_file(value: str) -> None:
    assert read_environment_file(f'A="{quoting.environment_file(value)}"\n') == {"A": value}


def read_environment_file(text: str) -> dict[str, str]:
    """Read assignments in double quotes by the rules of systemd.exec(5): a backslash quotes ", \\, ` and $ only."""
    found = {}
    for line in text.rstrip("\n").split("\n"):
        name, _, rest = line.partition("=")
        whole = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', rest)
        assert whole is not None, line
        found[name] = re.sub(r'\\(["\\`$])', r"\1", whole[1])
    return found


@given(nasty, nasty)
def test_a_value_that_looks_like_a_marked_place_is_a_value(name: str, passphrase: str) -> None:
    filled = quoting.fill("a ⟨name⟩ b ⟨passphrase⟩", {"name": name, "passphrase": passphrase}, quoting.shell)
    assert shlex.split(filled) == ["a", name, "b", passphrase]


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\x1b[2J", "a\u2028b", "\x7f", "a\rb", "\ud800", "\uffff"])
def test_what_would_act_in_a_terminal_is_refused_by_its_name_and_not_repeated(value: str) -> None:
    with pytest.raises(ValueUnpastable, match="the passphrase has a character") as refused:
        quoting.fill("⟨passphrase⟩", {"passphrase": value}, quoting.shell)
    assert value not in refused.value.message
