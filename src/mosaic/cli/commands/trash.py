"""`mosaic uninstall NAME` and `mosaic trash list|restore`: away, and back within 30 days."""

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking, verdict
from mosaic.cli.connection import connected
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe
from mosaic.cli.units import ago, day
from mosaic.core.errors import NotFound, Refused
from mosaic.wire.api import Installation, RestoreFromTrash, TrashEntry


class TrashUnknown(NotFound):
    """Nothing of that name was uninstalled."""

    code = "trash-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not in the trash", hint="`mosaic trash list` shows what is")


class SeveralInTrash(Refused):
    """More than one uninstalled app had that name."""

    code = "several-in-trash"

    def __init__(self, name: str, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} uninstalled apps were called {name!r}", hint=f"name one: {', '.join(ids)}")


class NotConfirmed(Refused):
    """Nobody confirmed a change that takes an app away."""

    code = "not-confirmed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not uninstalled, for nobody confirmed it", hint="pass `--yes` to confirm")


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def uninstall(out: Output, name: str, yes: bool) -> None:
    """Stop NAME, save its data a last time and put it into the trash, where it stays for 30 days."""
    with connected() as hive:
        installation = hive.get(f"/api/installations/{segment(name)}", Installation)
        if not asking.agree(f"Uninstall {installation.name}? Its data stays in the trash for 30 days.", yes=yes):
            raise NotConfirmed(installation.name)
        entry = hive.send("DELETE", f"/api/installations/{installation.installation}", None, TrashEntry)
    until = day(entry.until_ns)
    out.result(
        entry, f"{entry.name} is in the trash until {until}. `mosaic trash restore {entry.name}` brings it back."
    )


@click.group()
def trash() -> None:
    """Uninstalled apps, whose data is kept for 30 days."""


@trash.command("list")
@json_option
def list_(out: Output) -> None:
    """List what can be restored."""
    with connected() as hive:
        entries = hive.get("/api/trash", list[TrashEntry])
    rows = [
        [one.name, one.app, one.installation, ago(one.uninstalled_ns), day(one.until_ns), ago(one.last_replicated_ns)]
        for one in entries
    ]
    out.table(entries, ["NAME", "APP", "ID", "UNINSTALLED", "KEPT UNTIL", "SAVED"], rows, empty="The trash is empty.")


@trash.command()
@click.argument("name")
@click.option("--device", help="The Device (name or id) to restore it on; not needed when there is one.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def restore(out: Output, name: str, device: str | None, no_wait: bool) -> None:
    """Bring NAME (or an id) back with its data and wait until it runs."""
    with connected() as hive:
        entry = _entry(hive, name)
        path = f"/api/trash/{entry.installation}/restore"
        restored = hive.send("POST", path, RestoreFromTrash(device), Installation)
        if not no_wait:
            restored = follow(hive, restored.installation, verdict.running)
    out.result(restored, describe(restored))


def _entry(hive: HiveClient, name: str) -> TrashEntry:
    entries = hive.get("/api/trash", list[TrashEntry])
    by_id = [one for one in entries if one.installation == name]
    found = by_id or [one for one in entries if one.name == name]
    if not found:
        raise TrashUnknown(name)
    if len(found) > 1:
        raise SeveralInTrash(name, [one.installation for one in found])
    return found[0]
