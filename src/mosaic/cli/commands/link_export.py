"""`mosaic link export --to FILE`: links in a file that another gateway takes in."""

from pathlib import Path

import click
import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.cli.commands.app_export import NoFolderToWriteTo
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.wire.link_export import LinkExport, SignedLinkExport


@click.command()
@click.option("--to", "to", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--everyone", is_flag=True, help="The links of all accounts, for the one that set the Hive up.")
@json_option
def export(out: Output, to: Path, everyone: bool) -> None:
    """Write your links to a file: names, hashes of tokens, epochs and ports, signed by the Hive.

    `mosaic gateway import FILE` has another gateway take them in, without this Hive. No token is in the file: each
    device makes its own.
    """
    if not to.absolute().parent.is_dir():
        raise NoFolderToWriteTo(to.absolute().parent)
    with connected() as hive:
        query = {"everyone": "true"} if everyone else {}
        signed = hive.get("/api/link-export", SignedLinkExport, query=query)
    write_private(to.absolute(), msgspec.json.format(msgspec.json.encode(signed)))
    count = len(msgspec.json.decode(signed.export, type=LinkExport).links)
    said = (
        f"{count} link{'' if count == 1 else 's'} in {to}. Another gateway takes {'it' if count == 1 else 'them'} in:"
    )
    out.result({"file": str(to), "links": count}, f"{said} `mosaic gateway import {to.name} --state FOLDER`.")
