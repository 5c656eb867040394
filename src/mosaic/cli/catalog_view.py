"""Apps and catalogs as people read them."""

from shlex import quote

from mosaic.cli.units import ago, day
from mosaic.wire.api import CatalogApp
from mosaic.wire.versions import Catalog

_SOURCES = {"folder": "a folder on the Hive's machine, which nobody signed", "own": "your own, which you signed"}


def app_page(app: CatalogApp) -> str:
    """Return all that is known of an app before it is installed."""
    source = _SOURCES.get(app.source, f"the catalog {app.source}")
    lines = [
        f"{app.title} ({app.app})",
        app.summary,
        f"from:      {source}",
        f"version:   {app.label}" if app.label else "",
        f"services:  {', '.join(app.services)}" if app.services else "",
        f"ports:     {', '.join(app.ports)}" if app.ports else "",
        f"volumes:   {', '.join(app.volumes)}" if app.volumes else "",
        f"asks for:  {', '.join(app.asks)}" if app.asks else "",
        f"digest:    {app.digest}",
        f"problem:   {app.problem}" if app.problem else _how(app),
    ]
    return "\n".join(line for line in lines if line)


def catalog_page(catalog: Catalog) -> str:
    """Return all that is known of a catalog."""
    ends = "not known yet" if catalog.expires_ns is None else day(catalog.expires_ns)
    lines = [
        f"{catalog.name}: {catalog.url}, channel {catalog.channel}",
        f"root:       {catalog.root_sha256}",
        f"added:      {day(catalog.added_ns)}",
        f"refreshed:  {ago(catalog.refreshed_ns)}",
        f"good until: {ends}",
        f"versions:   {', '.join(catalog.versions) or 'none'}",
        f"apps:       {', '.join(catalog.apps) or 'none'}",
        *(f"warning:    {warning}" for warning in catalog.warnings),
        f"problem:    {catalog.problem}" if catalog.problem else "",
    ]
    return "\n".join(line for line in lines if line)


def catalog_row(catalog: Catalog) -> list[str]:
    """Return a catalog as one line of a table."""
    said = catalog.problem or "; ".join(catalog.warnings)
    return [catalog.name, catalog.channel, str(len(catalog.apps)), ago(catalog.refreshed_ns), said]


def _how(app: CatalogApp) -> str:
    asks = "".join(f" --grant {quote(key)}" for key in app.asks)
    trusting = ", if you trust it with what it asks for" if asks else ""
    return f"`mosaic install {app.app}{asks}` installs it{trusting}."
