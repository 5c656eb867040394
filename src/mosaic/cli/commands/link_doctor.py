"""`mosaic link doctor`: what is wrong with the public way to an app, and what to do."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.link_view import look_page
from mosaic.cli.output import Output, json_option
from mosaic.core.errors import MosaicError
from mosaic.wire.link_doctor import LinkLook


class LinkUnwell(MosaicError):
    """At least one check of a link did not hold."""

    code = "link-doctor-found"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} of the checks above did not hold", hint="mend the first one first; each says what to do"
        )


@click.command()
@click.argument("name")
@json_option
def doctor(out: Output, name: str) -> None:
    """Look at the link of the app NAME from where its Hive is: gateway, tunnel, ports, DNS, certificate and app."""
    with connected() as hive:
        look = hive.send("POST", f"/api/installations/{segment(name)}/link/doctor", None, LinkLook)
    out.result(look, look_page(look))
    wrong = sum(one.outcome == "wrong" for one in look.findings)
    if wrong and not out.as_json:
        raise LinkUnwell(wrong)
    if wrong:
        raise click.exceptions.Exit(1)
