"""Where the command line writes: results to stdout, everything else to stderr.

`--json` prints the result as one JSON value and nothing else. Progress and
remarks are for people, so they are written only when stderr is a terminal.
"""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Output:
    """How this command was asked to answer."""

    as_json: bool

    def result(self, value: object, text: str) -> None:
        """Print the result: `value` (msgspec structs or plain data) as JSON, or `text` for people."""
        click.echo(to_json(value) if self.as_json else text)

    def table(self, value: object, columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
        """Print a list: `value` as JSON, or rows under `columns`; `empty` when there are none."""
        if self.as_json:
            click.echo(to_json(value))
            return
        lines = [list(row) for row in rows]
        click.echo(aligned(columns, lines) if lines else empty)

    def remark(self, text: str) -> None:
        """Tell a person something beside the result."""
        if not self.as_json and is_watched():
            click.echo(click.style(text, dim=True), err=True)


def json_option(command: Callable[Concatenate[Output, P], R]) -> Callable[P, R]:
    """Give a command `--json`, and an `Output` as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @functools.wraps(command)
    def with_output(*args: P.args, **kwargs: P.kwargs) -> R:
        as_json = bool(kwargs.pop("as_json"))
        return command(Output(as_json), *args, **kwargs)

    return with_output


def is_watched() -> bool:
    """Tell whether a person reads stderr."""
    return sys.stderr.isatty()


def to_json(value: object) -> str:
    """Return one line per value's worth of JSON, with two spaces of indentation."""
    import msgspec

    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)


def printable(line: str) -> str:
    """Return a line with letters that move the cursor, hide or turn what is written shown as what they are."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in plain text. Columns are as wide as their widest cell; nothing is cut off."""
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [columns, *rows]]
    heading, *others = [line.rstrip() for line in lines]
    return "\n".join([click.style(heading, bold=True), *others])
