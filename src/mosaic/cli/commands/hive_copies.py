"""`mosaic hive backup`, `recover` and `state`: the copy of the Hive's own database, and the way back from it."""

import time
from pathlib import Path

import click

from mosaic.cli.bucket_key import credentials_option
from mosaic.cli.output import Output, json_option

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_STATE = click.option("--state", type=_FOLDER, help="The Hive's state folder; the one of `mosaic up` if not given.")


@click.group()
def backup() -> None:
    """The copy of the Hive's own database in a store."""


@backup.command("set")
@click.argument("place")
@_STATE
@credentials_option
@json_option
def set_(out: Output, place: str, state: Path | None, credentials: Path | None) -> None:
    """Copy the Hive's own database to PLACE, now and whenever it changed.

    PLACE is a folder, best of another machine, or s3://BUCKET/FOLDER?endpoint=https://….
    What is written there is encrypted; the backup code in the recovery kit opens it.
    """
    from mosaic.adapters.backup_files import BackupFiles
    from mosaic.cli.hive_backup.copying import back_up
    from mosaic.cli.hive_backup.destination import destination_of
    from mosaic.cli.hive_backup.places import opened
    from mosaic.cli.hive_backup.stage import require_database
    from mosaic.crypto.volume_keys import volume_id

    folder = _folder(state)
    require_database(folder)
    files = BackupFiles(folder)
    destination = destination_of(place, credentials)
    opened(destination, volume_id(files.seed().reveal()), new=True)
    files.put_destination(destination)
    status = back_up(folder)
    where = (
        "\nThat is on this same machine, and dies with it: choose a place on another." if status.same_machine else ""
    )
    out.result(status, f"The Hive's database is copied to {place}.{where}\nPrint the kit now: `mosaic recovery-kit`")


@backup.command()
@_STATE
@json_option
def now(out: Output, state: Path | None) -> None:
    """Make a copy now."""
    from mosaic.cli.hive_backup.copying import back_up

    status = back_up(_folder(state))
    out.result(status, f"Copy number {status.seq} is in {status.to}; {status.uploaded_bytes} bytes were sent.")


@backup.command()
@_STATE
@json_option
def off(out: Output, state: Path | None) -> None:
    """Make no copies any more. Those that were made stay."""
    from mosaic.adapters.backup_files import BackupFiles

    BackupFiles(_folder(state)).put_destination(None)
    out.result({"backed_up": False}, "The Hive's database is copied nowhere any more.")


@click.command()
@click.option("--from", "place", metavar="PLACE", help="Where the copies are: a folder, or s3://….")
@click.option("--kit", type=_FILE, help="The recovery kit, or a file with its line `backup code: …`.")
@click.option("--mark", is_flag=True, help="The database was put back by other means: have it hear its Devices first.")
@click.option("--waive", metavar="DEVICE", help="Go on without a Device that a recovered Hive waits for.")
@_STATE
@credentials_option
@json_option
def recover(
    out: Output,
    place: str | None,
    kit: Path | None,
    mark: bool,
    waive: str | None,
    state: Path | None,
    credentials: Path | None,
) -> None:
    """Bring a Hive that died back from a copy, on this machine.

    It comes back with its accounts, its installations and its own keys, and
    waits until every Device has told what the copy lacks.
    """
    if waive is not None and (place, kit, mark) == (None, None, False):
        _waive(out, waive)
        return
    if mark and (place, kit, waive) == (None, None, None):
        _mark(out, _folder(state))
        return
    if place is None or kit is None or mark or waive is not None:
        raise click.UsageError("give --from and --kit, or --waive alone, or --mark alone")
    from mosaic.cli.hive_backup.destination import destination_of
    from mosaic.cli.hive_backup.kit import read_backup_seed
    from mosaic.cli.hive_backup.recovering import recover as bring_back
    from mosaic.core.health import duration_words

    back = bring_back(_folder(state), destination_of(place, credentials), read_backup_seed(kit))
    age = duration_words(max(0, int(time.time() - back.instant_ns / 1e9)))
    value = {
        "state": str(back.state),
        "instant_ns": back.instant_ns,
        "copy": back.seq,
        "damaged_newer_copies": back.passed_over,
    }
    passed = f"\n{back.passed_over} newer copies are damaged, so this is not the newest." if back.passed_over else ""
    out.result(
        value,
        f"The Hive is back in {back.state}, as it was {age} ago.{passed}\n"
        "Start it as before, under the same address: `mosaic up`, or `mosaic hive serve`.\n"
        "It goes on when its Devices have told what they know; `mosaic hive state` shows for whom it waits.",
    )


@click.command("state")
@json_option
def state_(out: Output) -> None:
    """Say how the Hive's own copy is, and for which Devices a recovered Hive waits."""
    from mosaic.cli.connection import connected
    from mosaic.cli.hive_words import state_words
    from mosaic.wire.hive_backup import HiveState

    with connected() as hive:
        found = hive.get("/api/hive/state", HiveState)
    out.result(found, "\n".join(state_words(found, time.time_ns())))


def _mark(out: Output, state: Path) -> None:
    from mosaic.cli.hive_backup.recovering import mark_recovering
    from mosaic.cli.hive_backup.stage import DATABASE, require_database

    require_database(state)
    mark_recovering(state / DATABASE)
    out.result({"state": str(state)}, "When this Hive starts, it hears all its Devices before it goes on.")


def _waive(out: Output, device: str) -> None:
    from mosaic.adapters.api_client import segment
    from mosaic.cli.connection import connected
    from mosaic.cli.hive_words import state_words
    from mosaic.wire.hive_backup import HiveState

    with connected() as hive:
        found = hive.send("POST", f"/api/hive/waived/{segment(device)}", None, HiveState)
    out.result(found, "\n".join(state_words(found, time.time_ns())))


def _folder(state: Path | None) -> Path:
    from mosaic.cli.up.layout import Layout, state_folder

    return (state or Layout(state_folder(None)).hive).absolute()
