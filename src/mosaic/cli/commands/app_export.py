"""`mosaic app export NAME --to FILE`: an app in one file, for machines that reach no registry."""

from pathlib import Path

import click
import msgspec

from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.units import size
from mosaic.core.errors import Refused


class Exported(msgspec.Struct, frozen=True):
    """What was written."""

    app: str
    file: str
    bytes: int


class NoFolderToWriteTo(Refused):
    """The file would lie in a folder that is not there."""

    code = "no-folder-to-write-to"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no folder {folder}", hint="make it first, or name a file in one that is there")


@click.command()
@click.argument("name")
@click.option("--to", "to", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--device", help="The Device (name or id) whose version to export; not needed when there is one.")
@json_option
def export(out: Output, name: str, to: Path, device: str | None) -> None:
    """Write the app of the catalog called NAME to a file, with what it is signed by.

    `mosaic app import FILE` gives it to another Hive, which needs no registry then. Images are not in the file:
    `docker save` and `docker load` carry them.
    """
    if not to.absolute().parent.is_dir():
        raise NoFolderToWriteTo(to.absolute().parent)
    with connected() as hive:
        query = {"app": name} | ({"device": device} if device else {})
        hive.download("/api/app-export", to, query=query)
    written = Exported(name, str(to), to.stat().st_size)
    out.result(written, f"{name} is in {to} ({size(written.bytes)}). Its images are not.")
