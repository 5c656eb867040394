"""`mosaic gateway import FILE`: links of a Hive that does not tell this gateway itself."""

from pathlib import Path

import click

from mosaic.cli.gateway_options import database_option, state_option
from mosaic.cli.output import Output, json_option, printable
from mosaic.cli.units import ago
from mosaic.core.errors import Refused

_MOST_BYTES = 256 * 1024 * 1024


class LinksNotTaken(Refused):
    """Some links of a file were not taken in."""

    code = "links-not-taken"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} of these links are not taken in; the others are",
            hint="what is in the way stands beside each; then take the file in again",
        )


class LinkExportTooLarge(Refused):
    """A file is larger than any that could be meant."""

    code = "link-export-too-large"

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is too large for a file of links", hint="name what `mosaic link export` wrote")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@state_option
@database_option
@click.option("--ports", metavar="FIRST-LAST", help="Raw ports that links may have; as `mosaic gateway serve` is told.")
@json_option
def import_(out: Output, file: Path, state: Path, database: str | None, ports: str | None) -> None:
    """Take in the links of FILE, which `mosaic link export` wrote, as if their Hive had pushed them.

    Their Hive has to be allowed here first: `mosaic gateway allow`. Links come by their own tokens, once LINK_GATEWAY
    in their environment names this gateway, and visitors once DNS leads them here. Without --ports they get no raw
    ports that they do not have here.
    """
    from mosaic.cli.raw_ports import named_range
    from mosaic.gateway import importing
    from mosaic.gateway.config import GatewayConfig

    if file.stat().st_size > _MOST_BYTES:
        raise LinkExportTooLarge(file)
    config = GatewayConfig(state=state, name="", host="", database_url=database)
    taken = importing.take_in(config, file.read_bytes(), port_range=named_range(ports, own=()) if ports else None)
    out.remark(f"Written {ago(taken.at_ns)} by the Hive {taken.hive[:16]}….")
    rows = [
        [one.id, printable(one.app), ", ".join(map(printable, one.names)) or "—", printable(one.problem) or "taken in"]
        for one in taken.links
    ]
    out.table(taken, ["LINK", "APP", "NAMES", ""], rows, empty="No link is in it.")
    refused = sum(bool(one.problem) for one in taken.links)
    if refused and not out.as_json:
        raise LinksNotTaken(refused)
    if refused:
        raise click.exceptions.Exit(1)
