"""The words of HAProxy's runtime socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.haproxy import words

HOSTILE = ["a;show info", "a\nshow info", "a b", "<<", "a|b", "@1", "#0", "", "a\\", "é.example", "a\0"]


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_can_become_a_command(word: str) -> None:
    for made in (
        lambda: words.get_route(word),
        lambda: words.add_route(word, "10.0.0.1"),
        lambda: words.add_route("a.example", word),
        lambda: words.set_route(word, "10.0.0.1"),
        lambda: words.set_route("a.example", word),
        lambda: words.delete_route(word),
        lambda: words.forget_name(word),
        lambda: words.end_stream(word),
        lambda: list(words.add_to_version(1, {word: "10.0.0.1"}, 1000)),
        lambda: list(words.add_to_version(1, {"a.example": word}, 1000)),
    ):
        with pytest.raises(ValueError, match="no word"):
            made()


@given(st.text(st.characters(max_codepoint=127), max_size=20), st.text(max_size=20))
def test_what_is_written_is_one_command_whatever_is_given(name: str, address: str) -> None:
    try:
        made = words.add_route(name, address)
    except ValueError:
        return
    assert made.split(" ") == ["add", "map", "routes.map", name, address]
    assert made.isascii()
    assert made.isprintable()
    assert ";" not in made


texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1)


@given(st.lists(st.lists(texts, max_size=3)))
def test_the_answers_of_a_line_are_told_apart(said: list[list[str]]) -> None:
    spoken = "".join("".join(f"{line}\n" for line in lines) + "\n" for lines in said)
    assert words.answers(spoken) == ["\n".join(lines) for lines in said]


@given(st.lists(st.text("abc", min_size=1, max_size=12)), st.integers(min_value=14, max_value=60))
def test_commands_are_parted_in_order_into_lines_that_are_short_enough(commands: list[str], most: int) -> None:
    lines = list(words.lines_of(commands, most))
    assert [command for line in lines for command in line] == commands
    assert all(line and len(";".join(line)) <= most for line in lines)


def test_a_version_is_added_in_payloads_that_end_with_an_empty_line() -> None:
    routes = {f"n{number}.example": "10.0.0.1" for number in range(10)}
    made = list(words.add_to_version(7, routes, 100))
    assert len(made) > 1
    told: dict[str, str] = {}
    for command in made:
        first, *lines, last = command.split("\n")
        assert (first, last) == ("add map @7 routes.map <<", "")
        told |= {name: address for name, _, address in (line.partition(" ") for line in lines)}
    assert told == routes
