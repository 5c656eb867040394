"""A hint that names a command names one that exists: a tired person types it as it stands."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from mosaic.cli.main import mosaic

SOURCES = Path(__file__).parents[2] / "src" / "mosaic"
NAMED = re.compile(r"`mosaic ([a-z][^`]*)`")
FILLED_IN = "…"
"""Stands for what a message fills in."""

LABEL = re.compile(r"[a-z -]+ v[0-9]")
"""What keys and formats are labelled with, such as `mosaic head v1`; no command lines."""


def texts(path: Path) -> Iterator[str]:
    """Yield every string of a program as people read it: whole, although it is written on several lines."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else FILLED_IN for part in node.values)
            yield "".join(str(part) for part in parts)


@cache
def hints() -> tuple[tuple[str, str], ...]:
    """Return every command line in backticks, of code, templates and scripts, with where it stands. Read once."""
    files = sorted(file for ending in ("py", "html", "js") for file in SOURCES.rglob(f"*.{ending}"))
    found = {
        (" ".join(line.split()), str(path.relative_to(SOURCES)))
        for path in files
        for text in texts(path)
        for line in NAMED.findall(text)
    }
    return tuple(sorted(one for one in found if not LABEL.match(one[0])))


def meant(line: str) -> list[list[str]]:
    """Return the command lines that one line stands for: `trash list|restore` is two."""
    lines: list[list[str]] = [[]]
    for word in line.split():
        choices = word.split("|") if not word.startswith(("<", "[")) else [word]
        lines = [[*before, choice] for before in lines for choice in choices]
    return lines


def test_the_hints_are_found() -> None:
    found = [line for line, _ in hints()]
    assert len(found) > 60
    assert meant("trash list|restore NAME") == [["trash", "list", "NAME"], ["trash", "restore", "NAME"]]


@pytest.mark.parametrize("line", ["volume frobnicate", "move NAME --callof", "frobnicate"])
def test_what_does_not_exist_is_found_out(line: str) -> None:
    with pytest.raises(AssertionError, match="tells people to type"):
        check(line, "here")


def test_every_hint_names_a_command_that_exists() -> None:
    # Found here and not when tests are collected: each process that collects them would read the whole source.
    for line, where in hints():
        check(line, where)


def check(line: str, where: str) -> None:
    """Fail unless a command line that people are told to type can be typed."""
    for words in meant(line):
        command, rest = _found(words, line, where)
        taken = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in rest:
            option = re.match(r"\[?(--[a-z][a-z-]*)", word)
            assert option is None or option[1] in taken | {"--help"}, (
                f"{where} tells people to type `mosaic {line}`, and {word} is no option of it"
            )


def _found(words: list[str], line: str, where: str) -> tuple[click.Command, list[str]]:
    command: click.Command = mosaic
    left = list(words)
    while left and isinstance(command, click.Group) and left[0] != FILLED_IN:
        nested = command.get_command(click.Context(mosaic), left.pop(0))
        assert nested is not None, f"{where} tells people to type `mosaic {line}`, which is no command"
        command = nested
    return command, left
