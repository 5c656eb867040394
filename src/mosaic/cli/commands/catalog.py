"""`mosaic catalog list|search|show|sources|refresh|remove`: what can be installed, and where it comes from."""

from collections.abc import Sequence
from typing import ClassVar

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking
from mosaic.cli.catalog_view import app_page, catalog_page, catalog_row
from mosaic.cli.connection import connected
from mosaic.cli.imported_later import ImportedLater, Others
from mosaic.cli.output import Output, json_option
from mosaic.core.errors import NotFound, Refused
from mosaic.wire.api import CatalogApp
from mosaic.wire.versions import Catalog


class AppUnknown(NotFound):
    """The catalog has no app of that name."""

    code = "app-unknown"

    def __init__(self, app: str) -> None:
        super().__init__(
            f"there is no app and no catalog called {app!r}",
            hint="`mosaic catalog list` shows the apps, `mosaic catalog sources` the catalogs",
        )


class RemovalNotConfirmed(Refused):
    """Nobody agreed that a catalog is removed."""

    code = "removal-not-confirmed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nobody agreed to remove the catalog {name}; it is still believed",
            hint=f"`mosaic catalog remove {name} --yes` removes it without asking",
        )


class CatalogCommands(ImportedLater):
    """The commands of this file, and the one that reads signed metadata."""

    others: ClassVar[Others] = {"add": ("catalog_add", "add", "Believe a catalog, after a look at its root.")}


@click.group(cls=CatalogCommands)
def catalog() -> None:
    """The apps that can be installed, and the catalogs that they come from."""


@catalog.command("list")
@json_option
def list_(out: Output) -> None:
    """List the apps of all catalogs."""
    with connected() as hive:
        _app_table(out, _apps(hive), empty="The catalog is empty.")


@catalog.command()
@click.argument("words", nargs=-1, required=True)
@json_option
def search(out: Output, words: tuple[str, ...]) -> None:
    """List the apps whose name, title or summary has all WORDS in it."""
    with connected() as hive:
        apps = _apps(hive)
    found = [one for one in apps if all(word.casefold() in _text(one) for word in words)]
    _app_table(out, found, empty=f"No app has {' and '.join(map(repr, words))} in its name, title or summary.")


@catalog.command()
@click.argument("name", metavar="APP|CATALOG")
@json_option
def show(out: Output, name: str) -> None:
    """Show one app, or one catalog."""
    with connected() as hive:
        app = next((one for one in _apps(hive) if one.app == name), None)
        if app is not None:
            out.result(app, app_page(app))
            return
        found = next((one for one in _sources(hive) if one.name == name), None)
    if found is None:
        raise AppUnknown(name)
    out.result(found, catalog_page(found))


@catalog.command()
@json_option
def sources(out: Output) -> None:
    """List the catalogs that you believe, and how fresh they are."""
    with connected() as hive:
        _source_table(out, _sources(hive), empty="There is none yet; `mosaic catalog add NAME URL` adds one.")


@catalog.command()
@click.argument("name", required=False)
@json_option
def refresh(out: Output, name: str | None) -> None:
    """Ask the repository of the catalog NAME for newer versions now, or those of all catalogs."""
    with connected() as hive:
        names = [name] if name is not None else [one.name for one in _sources(hive)]
        found = [hive.send("POST", f"/api/catalogs/{segment(one)}/refresh", None, Catalog) for one in names]
    _source_table(out, found, empty="There is no catalog to refresh.")


@catalog.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(out: Output, name: str, yes: bool) -> None:
    """Believe the catalog NAME no more. What was installed from it runs on, and gets no update."""
    with connected() as hive:
        is_known = any(one.name == name for one in _sources(hive))
        # Of what is not there the Hive says so; nobody has to agree to that.
        if is_known and not asking.agree(f"Remove the catalog {name}? What was installed from it runs on.", yes=yes):
            raise RemovalNotConfirmed(name)
        hive.order("DELETE", f"/api/catalogs/{segment(name)}")
    out.result({"removed": name}, f"{name} is removed. What was installed from it runs on, and gets no update.")


def _app_table(out: Output, apps: Sequence[CatalogApp], *, empty: str) -> None:
    rows = [[one.app, one.title, one.source, one.label, one.problem or one.summary] for one in apps]
    out.table(list(apps), ["APP", "TITLE", "SOURCE", "VERSION", ""], rows, empty=empty)


def _source_table(out: Output, found: list[Catalog], *, empty: str) -> None:
    columns = ["CATALOG", "CHANNEL", "APPS", "REFRESHED", ""]
    out.table(found, columns, [catalog_row(one) for one in found], empty=empty)


def _text(app: CatalogApp) -> str:
    return f"{app.app} {app.title} {app.summary}".casefold()


def _apps(hive: HiveClient) -> list[CatalogApp]:
    return hive.get("/api/catalog", list[CatalogApp])


def _sources(hive: HiveClient) -> list[Catalog]:
    return hive.get("/api/catalogs", list[Catalog])
