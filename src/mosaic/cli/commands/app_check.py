"""`mosaic app check`: everything that is wrong with an app's folder, at once."""

import json
from pathlib import Path

import click

from mosaic.cli.output import Output, json_option
from mosaic.core.compose_schema import compose_schema
from mosaic.core.errors import Refused
from mosaic.packager.checking import Checked, check_app
from mosaic.packager.own_file import app_name, shown


class AppHasProblems(Refused):
    """The app cannot be published as it is."""

    code = "app-has-problems"

    def __init__(self, app: str, count: int) -> None:
        super().__init__(
            f"{app} has {count} problem{'' if count == 1 else 's'}", hint="each line above says what to do about it"
        )


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--schema", is_flag=True, help="Print a JSON Schema of compose files, for editors, and check nothing.")
@json_option
def check(out: Output, folder: Path, schema: bool) -> None:
    """Check the app in FOLDER. Nothing is built, and no registry is asked.

    A problem is a line `file:line: what is wrong (what to do)`. What the app
    asks its owner for is listed too, and is no problem.
    """
    if schema:
        click.echo(json.dumps(compose_schema(), indent=2))
        return
    found = check_app(folder)
    name = shown(app_name(folder))
    out.result(found, "\n".join(_lines(name, found)))
    if found.problems and out.as_json:
        # All of it is in the one value that was printed.
        raise click.exceptions.Exit(1)
    if found.problems:
        raise AppHasProblems(name, len(found.problems))


def _lines(name: str, found: Checked) -> list[str]:
    if found.problems:
        return [f"{problem}\n    {problem.hint}" for problem in found.problems]
    first = f"{name} is disabled, so publishing passes over it." if found.is_disabled else f"{name} can be published."
    lines = [first, f"services:  {', '.join(found.services)}"]
    if found.volumes:
        lines.append(f"volumes:   {', '.join(found.volumes)}")
    if found.variables:
        lines.append(f"asks for a value of: {', '.join(found.variables)}")
    lines += [f"note: {note}" for note in found.notes]
    return [*lines, *(f"asks its owner, line {ask.line}: {ask.reason} (--grant {ask.grant})" for ask in found.asks)]
