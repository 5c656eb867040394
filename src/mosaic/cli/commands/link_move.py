"""`mosaic link move NAME --to GATEWAY`: having another gateway carry a link."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli import asking
from mosaic.cli.connection import connected
from mosaic.cli.link_view import link_page, move_page
from mosaic.cli.output import Output, json_option
from mosaic.core.errors import Refused
from mosaic.wire.link_api import Link, LinkMove, MoveLink


class LinkMoveNotConfirmed(Refused):
    """Nobody agreed that a link goes to another gateway."""

    code = "link-move-not-confirmed"

    def __init__(self, app: str, gateway: str) -> None:
        super().__init__(
            f"nobody agreed to have {gateway} carry the link of {app}; it is as it was",
            hint=f"`mosaic link move {app} --to {gateway} --yes` moves it without asking",
        )


@click.command()
@click.argument("name")
@click.option("--to", "gateway", required=True, metavar="GATEWAY", help="The gateway's name or address.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def move(out: Output, name: str, gateway: str, yes: bool) -> None:
    """Have another gateway of this Hive carry the link of the app NAME. Says first what that changes.

    Its token and your own domains stay. The app is not reached while its link is made anew, and by a domain of your
    own not before DNS leads to the other gateway.
    """
    path = f"/api/installations/{segment(name)}/link/move"
    with connected() as hive:
        plan = hive.get(path, LinkMove, query={"gateway": gateway})
        if not out.as_json:
            click.echo(move_page(plan), err=True)
        if not asking.agree(f"Move the link of {plan.app}?", yes=yes):
            raise LinkMoveNotConfirmed(plan.app, gateway)
        made = hive.send("POST", path, MoveLink(gateway), Link)
    out.result(made, link_page(made))
