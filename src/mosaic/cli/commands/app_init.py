"""`mosaic app init`: a commented starting point for an app."""

import sys
from pathlib import Path

import click

from mosaic.cli.output import Output, json_option
from mosaic.packager.starting_point import StartingPoint, write


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--title", help="What people see.")
@click.option("--image", help="The image that the app runs, as name:tag.")
@click.option("--port", type=int, help="The port of its web page, inside the container.")
@click.option("--data", help="The folder in the container that must survive, as /data.")
@json_option
def init(out: Output, folder: Path, title: str | None, image: str | None, port: int | None, data: str | None) -> None:
    """Write the files of a new app into FOLDER, whose name becomes the app's.

    In a terminal it asks for what no option says. Nothing that is there is changed.
    """
    name = folder.absolute().name
    asks = sys.stdin.isatty() and not out.as_json
    if asks:
        title = title or click.prompt("Title", default=name.capitalize(), err=True)
        image = image or click.prompt("Image", default="nginx:alpine", err=True)
        if port is None and click.confirm("Has it a web page?", default=True, err=True):
            port = click.prompt("On which port, inside the container", default=80, type=int, err=True)
        if data is None and click.confirm("Does it keep data?", default=False, err=True):
            data = click.prompt("In which folder of the container", default="/data", err=True)
    files = write(StartingPoint(name, title or name.capitalize(), image or "nginx:alpine", port, data), folder)
    written = [str(file) for file in files]
    out.result({"files": written}, "\n".join([*written, f"Next: `mosaic app check {folder}`"]))
