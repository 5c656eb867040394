"""`mosaic device doctor`: the checks of another machine."""

import click

from mosaic.cli.output import Output, json_option


@click.command()
@click.argument("name")
@json_option
def doctor(out: Output, name: str) -> None:
    """Have the Device NAME check its machine; `mosaic doctor` checks this one."""
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.wire.api import Logs

    with connected() as hive:
        said = hive.send("POST", f"/api/devices/{find(hive, name).device}/doctor", None, Logs)
    out.result({"device": name, "checks": said.text.splitlines()}, said.text)
