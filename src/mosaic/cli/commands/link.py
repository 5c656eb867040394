"""`mosaic link list|add|remove|rotate`: public ways to apps; others of its commands have files of their own."""

from typing import ClassVar

import click

from mosaic.adapters.api_client import segment
from mosaic.cli import asking
from mosaic.cli.connection import connected
from mosaic.cli.imported_later import ImportedLater, Others
from mosaic.cli.link_view import link_page, link_rows, told_without
from mosaic.cli.output import Output, json_option
from mosaic.core import domain_name
from mosaic.core.errors import Refused
from mosaic.wire.link_api import AddLink, Link, RotateToken


class LinkRemovalNotConfirmed(Refused):
    """Nobody agreed that a link is removed."""

    code = "link-removal-not-confirmed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nobody agreed to remove the link of {name}; it is as it was",
            hint=f"`mosaic link remove {name} --yes` removes it without asking",
        )


class LinkNameRemovalNotConfirmed(Refused):
    """Nobody agreed that the app is told another name."""

    code = "link-name-removal-not-confirmed"

    def __init__(self, app: str, name: str, told: str) -> None:
        super().__init__(
            f"nobody agreed to take {name} away; it is as it was. {told}",
            hint=f"`mosaic link remove {app} --domain {name} --yes` takes it away without asking",
        )


class LinkCommands(ImportedLater):
    """The commands of this file, and those about gateways and raw ports."""

    others: ClassVar[Others] = {
        "doctor": ("link_doctor", "doctor", "Say what is wrong with the public way to an app, and what to do."),
        "export": ("link_export", "export", "Write links to a file that another gateway takes in."),
        "gateway": ("link_gateway", "gateway", "The gateways that carry this Hive's links."),
        "move": ("link_move", "move", "Have another gateway carry the link of an app."),
        "port": ("link_port", "port", "Public TCP and UDP ports for apps that do not speak HTTP."),
    }


@click.group(cls=LinkCommands)
def link() -> None:
    """Reach apps from anywhere, by names of their own; what passes is readable by nobody on the way."""


@link.command("list")
@json_option
def list_(out: Output) -> None:
    """List the links with their names, and what proves those that wait for it."""
    with connected() as hive:
        found = hive.get("/api/links", list[Link])
    rows = [row for one in found for row in link_rows(one)]
    out.table(found, ["APP", "NAME", "", "GATEWAY"], rows, empty="There is none yet; `mosaic link add NAME` makes one.")
    waiting = [one for one in found if any(name.state not in ("good", "taken") for name in one.names)]
    if not out.as_json and waiting:
        click.echo("\n" + "\n\n".join(link_page(one) for one in waiting))


@link.command()
@click.argument("name")
@click.option("--domain", "domains", multiple=True, metavar="D", help="A domain of your own; may be repeated.")
@click.option("--label", metavar="L", help="Your part of all names that are given out; chosen once.")
@click.option("--gateway", metavar="G", help="Which gateway carries it, where there are several.")
@json_option
def add(out: Output, name: str, domains: tuple[str, ...], label: str | None, gateway: str | None) -> None:
    """Have the app NAME reached from anywhere, by a name that is given out and by domains of your own.

    A domain counts as soon as DNS proves that it is yours; this says which record does. Adding again looks again.
    """
    wish = AddLink(list(domains), label, gateway)
    with connected() as hive:
        made = hive.send("PUT", f"/api/installations/{segment(name)}/link", wish, Link)
    out.result(made, link_page(made))


@link.command()
@click.argument("name")
@click.option("--domain", metavar="D", help="Take this name away, and leave the link.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(out: Output, name: str, domain: str | None, yes: bool) -> None:
    """Take away the public way to the app NAME, or one name of it. The app runs on.

    Without the name that the app is told (the first that `mosaic link list` shows) it is told the next one, and its
    containers that use it are made anew; that is asked first.
    """
    path = f"/api/installations/{segment(name)}/link"
    with connected() as hive:
        # Of a link that is not there the Hive says so; nobody has to agree to that.
        found = hive.get(path, Link)
        if domain is not None:
            name = domain_name.normalise(domain, wildcard=True)
            told = told_without(found, name)
            if told and not asking.agree(f"{told} Take {name} away?", yes=yes):
                raise LinkNameRemovalNotConfirmed(found.app, name, told)
            hive.order("DELETE", f"{path}?domain={segment(name)}")
            out.result({"removed": name}, f"{found.app} is not reached at {name} any more. {told}".rstrip())
            return
        names = ", ".join(one.name for one in found.names)
        if not asking.agree(f"Take away {names} from {found.app}?", yes=yes):
            raise LinkRemovalNotConfirmed(name)
        hive.order("DELETE", path)
    out.result({"removed": found.id}, f"{found.app} has no link any more; at home it is reached as before.")


@link.command()
@click.argument("name")
@click.option("--now", is_flag=True, help="End the token before as soon as its device has the next one.")
@json_option
def rotate(out: Output, name: str, now: bool) -> None:
    """Give the link of the app NAME another token; the one before stays good for a day more."""
    with connected() as hive:
        path = f"/api/installations/{segment(name)}/link/rotate"
        found = hive.send("POST", path, RotateToken(now), Link)
    ends = "ends then at once" if now else "stays good for a day from then on"
    known = "has it" if found.token_known else "is told"
    out.result(found, f"{found.app} gets token {found.token}: its device {known}, and the one before {ends}.")
