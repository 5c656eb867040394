"""`mosaic catalog list|show`: the apps that can be installed."""

from shlex import quote

import click

from mosaic.adapters.api_client import HiveClient
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.core.errors import NotFound
from mosaic.wire.api import CatalogApp


class AppUnknown(NotFound):
    """The catalog has no app of that name."""

    code = "app-unknown"

    def __init__(self, app: str) -> None:
        super().__init__(f"the catalog has no app called {app!r}", hint="`mosaic catalog list` shows what there is")


@click.group()
def catalog() -> None:
    """The apps that can be installed."""


@catalog.command("list")
@json_option
def list_(out: Output) -> None:
    """List the apps of all catalogs."""
    with connected() as hive:
        apps = _apps(hive)
    rows = [[app.app, app.title, app.problem or app.summary] for app in apps]
    out.table(apps, ["APP", "TITLE", ""], rows, empty="The catalog is empty.")


@catalog.command()
@click.argument("app")
@json_option
def show(out: Output, app: str) -> None:
    """Show one app."""
    with connected() as hive:
        found = next((one for one in _apps(hive) if one.app == app), None)
    if found is None:
        raise AppUnknown(app)
    lines = [
        f"{found.title} ({found.app})",
        found.summary,
        f"services:  {', '.join(found.services)}",
        f"ports:     {', '.join(found.ports)}" if found.ports else "",
        f"volumes:   {', '.join(found.volumes)}" if found.volumes else "",
        f"asks for:  {', '.join(found.asks)}" if found.asks else "",
        f"digest:    {found.digest}",
        f"problem:   {found.problem}" if found.problem else _how(found),
    ]
    out.result(found, "\n".join(line for line in lines if line))


def _how(app: CatalogApp) -> str:
    asks = "".join(f" --grant {quote(key)}" for key in app.asks)
    trusting = ", if you trust it with what it asks for" if asks else ""
    return f"`mosaic install {app.app}{asks}` installs it{trusting}."


def _apps(hive: HiveClient) -> list[CatalogApp]:
    return hive.get("/api/catalog", list[CatalogApp])
