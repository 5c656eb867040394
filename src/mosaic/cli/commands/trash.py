"""`mosaic uninstall NAME` and `mosaic trash list|restore`: away, and back within 30 days."""

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking, verdict
from mosaic.cli.commands.move import accept_loss
from mosaic.cli.connection import connected
from mosaic.cli.follow import DEADLINE_SECONDS, Looks, follow, watch
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe
from mosaic.cli.units import ago, day
from mosaic.core.errors import NotFound, Refused
from mosaic.wire.api import Device, Installation, RestoreFromTrash, TrashEntry
from mosaic.wire.report import Step


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
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def uninstall(out: Output, name: str, yes: bool, no_wait: bool) -> None:
    """Stop NAME, save its data a last time and put it into the trash, where it stays for 30 days."""
    with connected() as hive:
        installation = hive.get(f"/api/installations/{segment(name)}", Installation)
        if not asking.agree(f"Uninstall {installation.name}? Its data stays in the trash for 30 days.", yes=yes):
            raise NotConfirmed(installation.name)
        entry = hive.send("DELETE", f"/api/installations/{installation.installation}", None, TrashEntry)
        home = next((one for one in hive.get("/api/devices", list[Device]) if one.device == installation.device), None)
        if not no_wait and home is not None and home.connected:
            out.remark(f"Uninstalling {entry.name}; Ctrl-C stops watching, not the work.")
            entry = _saved(hive, entry)
    out.result(entry, _where(entry, home))


def _saved(hive: HiveClient, entry: TrashEntry) -> TrashEntry:
    """Wait until its containers are gone and its last data is handed over."""
    looks = Looks(lambda: _entry(hive, entry.installation), DEADLINE_SECONDS)
    return watch(entry.name, looks, verdict.left, _steps, command="mosaic trash list")


def _steps(entry: TrashEntry) -> list[Step]:
    return entry.report.steps if entry.report else []


def _where(entry: TrashEntry, home: Device | None) -> str:
    back = f"`mosaic trash restore {entry.name}` brings it back."
    lies = f"{entry.name} is in the trash until {day(entry.until_ns)}. {back}"
    if entry.saved:
        return lies
    if home is None or home.connected:
        return f"{lies} It is being stopped; `mosaic trash list` says when it is saved."
    return f"{lies} {home.name} is not connected: it stops {entry.name} as soon as it is back."


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
        [one.name, one.app, one.installation, ago(one.uninstalled_ns), day(one.until_ns), _saved_when(one)]
        for one in entries
    ]
    out.table(entries, ["NAME", "APP", "ID", "UNINSTALLED", "KEPT UNTIL", "SAVED"], rows, empty="The trash is empty.")


@trash.command()
@click.argument("name")
@click.option("--device", help="The Device (name or id) to restore it on; not needed when there is one.")
@click.option("--force", is_flag=True, help="Do not wait for the Device that it was on: it is gone.")
@click.option("--yes", is_flag=True, help="Accept the loss that --force may bring.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def restore(out: Output, name: str, device: str | None, force: bool, yes: bool, no_wait: bool) -> None:
    """Bring NAME (or an id) back with its data and wait until it runs."""
    with connected() as hive:
        entry = _entry(hive, name)
        path = f"/api/trash/{entry.installation}/restore"
        wish = RestoreFromTrash(device)
        if force:
            accept_loss(0.0 if entry.saved else entry.lose_seconds, yes=yes)
            wish = RestoreFromTrash(device, force=True, lose_seconds=entry.lose_seconds)
        restored = hive.send("POST", path, wish, Installation)
        if not no_wait:
            restored = follow(hive, restored.installation, verdict.running)
    out.result(restored, describe(restored))


def _saved_when(entry: TrashEntry) -> str:
    return ago(entry.last_replicated_ns) if entry.saved else "not yet: its device has not stopped it"


def _entry(hive: HiveClient, name: str) -> TrashEntry:
    entries = hive.get("/api/trash", list[TrashEntry])
    by_id = [one for one in entries if one.installation == name]
    found = by_id or [one for one in entries if one.name == name]
    if not found:
        raise TrashUnknown(name)
    if len(found) > 1:
        raise SeveralInTrash(name, [one.installation for one in found])
    return found[0]
