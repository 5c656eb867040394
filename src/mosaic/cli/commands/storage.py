"""`mosaic storage serve`, and what a person asks about the volumes that no Hive knows; stores are in `stores`."""

import sys
from pathlib import Path

import click

from mosaic.adapters.storage_client import StorageClient
from mosaic.cli.commands.stores import limit, share, store
from mosaic.cli.output import Output, json_option
from mosaic.cli.up.layout import Layout, state_folder

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_ALL_SENT = ("replicated", "saved on this machine only")
_state = click.option("--state", type=_FOLDER, help="Where the daemon keeps everything. [/var/lib/mosaic/storage]")


@click.group()
def storage() -> None:
    """The storage daemon: encrypted volumes for the Docker engine."""


@storage.command()
@_state
@click.option("--driver", default="mosaic", show_default=True, help="The volume driver's name on this engine.")
@click.option("--pool", type=_FOLDER, help="A folder on btrfs; an image of its own if not given.")
@click.option("--scan", type=_FOLDER, help="A folder on any file system: no btrfs, changed files are copied instead.")
@click.option("--pool-gigabytes", type=click.IntRange(min=1), help="How large the image shall be; it can grow later.")
@click.option("--plugins", type=_FOLDER, help="Where the engine looks for drivers. [/run/docker/plugins]")
@click.option("--specs", type=_FOLDER, help="Where the engine reads of drivers that do not run; for a container.")
@click.option("--install", "installs", is_flag=True, help="Write a systemd unit, so that it runs from every boot on.")
@click.option("--uninstall", "uninstalls", is_flag=True, help="Stop it and remove the unit; the data stays.")
def serve(
    state: Path | None,
    driver: str,
    pool: Path | None,
    scan: Path | None,
    pool_gigabytes: int | None,
    plugins: Path | None,
    specs: Path | None,
    installs: bool,
    uninstalls: bool,
) -> None:
    """Run the storage daemon until it is stopped."""
    if scan is not None and (pool is not None or pool_gigabytes is not None):
        raise click.UsageError("--scan stands alone: a folder is scanned, or it is a pool on btrfs")
    if installs and uninstalls:
        raise click.UsageError("--install and --uninstall exclude each other")
    if installs or uninstalls:
        from mosaic.cli.up import storage_alone

        if uninstalls:
            click.echo("The unit is removed; the data stays." if storage_alone.take_away() else "There was no unit.")
            return
        pool_words = ("--pool", str(pool.absolute())) if pool else ("--scan", str(scan.absolute())) if scan else ()
        size_words = ("--pool-gigabytes", str(pool_gigabytes)) if pool_gigabytes else ()
        unit, started = storage_alone.add(
            ("--state", str(_folder(state)), "--driver", driver, *pool_words, *size_words)
        )
        click.echo(f"Wrote {unit}." + (" The storage daemon runs." if started else " No systemd runs here."))
        return
    from mosaic.cli.up.lean import be_lean

    be_lean()
    from mosaic.storage.config import PLUGIN_DIR, StorageConfig
    from mosaic.storage.serve import serve as run

    folder = _folder(state)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if scan is None and pool is None:
        from mosaic.cli.up.device_contained import require_shared

        require_shared(folder)
    image_bytes = None if pool_gigabytes is None else pool_gigabytes * 1024**3
    sockets = plugins or PLUGIN_DIR
    run(
        StorageConfig(
            state=folder,
            driver=driver,
            plugin_dir=sockets,
            specs=specs,
            pool=pool,
            scan=scan,
            image_bytes=image_bytes,
        )
    )


@storage.command()
@_state
@json_option
def volumes(out: Output, state: Path | None) -> None:
    """List the volumes that need no Hive, and how safe each is."""
    from mosaic.cli.units import ago, size

    found = [one for one in _client(state).hiveless().volumes if one.removed_ns is None]
    rows = [
        [
            one.name,
            one.public_key[:12],
            one.state + ("" if one.confirmed or one.epoch is None else ", unconfirmed"),
            ago(one.last_replicated_ns),
            size(one.waiting_bytes) if one.waiting_bytes or one.state in _ALL_SENT else "unknown",
            one.store,
        ]
        for one in found
    ]
    columns = ["NAME", "KEY", "STATE", "LAST REPLICATED", "WAITING", "STORE"]
    empty = "There are no volumes without a Hive; `docker volume create -d mosaic -o store=/mnt/nas/backups NAME`."
    out.table(found, columns, rows, empty=empty)
    if out.as_json:
        return
    for one in found:
        if one.problem is not None:
            click.echo(f"{one.name}: {one.problem.message}; {one.problem.hint}")
        for conflict in one.conflicts:
            click.echo(f"{one.name}: what only this machine had is kept in {conflict.path}")


@storage.command()
@click.argument("name")
@_state
@json_option
def recovery(out: Output, name: str, state: Path | None) -> None:
    """Print the recovery code of the volume NAME. It is shown once."""
    client = _client(state)
    code = client.recovery(name).code
    out.result({"volume": name, "recovery_code": code}, code)
    sys.stdout.flush()
    # Only now: a code that nobody saw must not be gone.
    client.recovery_shown(name)
    click.echo("Write it down: it is not shown again, and with the store it restores the volume.", err=True)


@storage.command("key-file")
@click.option("--store", "address", required=True, help="Where the volume is: /mnt/nas/backups or s3://…")
@click.option("--to", type=_FILE, required=True, help="The new key file.")
@click.option("--credentials", type=_FILE, help="The file with the store's key.")
@click.option("--code-file", type=_FILE, help="A file with the recovery code; asked for when left out.")
@_state
@json_option
def key_file(
    out: Output, address: str, to: Path, credentials: Path | None, code_file: Path | None, state: Path | None
) -> None:
    """Get a volume's key file back with its recovery code."""
    from mosaic.cli import asking
    from mosaic.storage.hiveless.address import parse_address
    from mosaic.storage.hiveless.key_file import write_key
    from mosaic.storage.hiveless.recovering import find_seed
    from mosaic.storage.hiveless.stores import Stores

    code = asking.secret("recovery code", file=code_file, option="--code-file")
    named = str(credentials.absolute()) if credentials else None
    volume, seed = find_seed(Stores(_folder(state)), parse_address(address), named, code)
    write_key(to.absolute(), seed)
    out.result(
        {"volume": volume, "key_file": str(to.absolute())},
        f"The key of volume {volume[:12]} is in {to}. To restore the volume here:\n"
        f"  docker volume create -d mosaic -o store='{address}' -o key-file={to.absolute()} -o take-over=yes NAME",
    )


@storage.group()
def trash() -> None:
    """Volumes that were removed with `docker volume rm`; they stay for 30 days."""


@trash.command("list")
@_state
@json_option
def trash_list(out: Output, state: Path | None) -> None:
    """List removed volumes."""
    from mosaic.cli.units import ago

    found = [one for one in _client(state).hiveless().volumes if one.removed_ns is not None]
    rows = [[one.name, one.public_key[:12], ago(one.removed_ns), ago(one.last_replicated_ns)] for one in found]
    out.table(found, ["NAME", "KEY", "REMOVED", "LAST REPLICATED"], rows, empty="The trash is empty.")


@trash.command("restore")
@click.argument("name")
@_state
@json_option
def trash_restore(out: Output, name: str, state: Path | None) -> None:
    """Bring the removed volume NAME back, with its data."""
    restored = _client(state).trash_restore(name)
    out.result(restored, f"The volume {restored.name} is back.")


@trash.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_state
@json_option
def trash_delete(out: Output, name: str, yes: bool, state: Path | None) -> None:
    """Delete the local copy of the removed volume NAME now. What is in its store stays."""
    from mosaic.cli import asking

    if not asking.agree(f"Delete the data of {name} on this machine?", yes=yes):
        raise click.ClickException("Nothing was deleted, for nobody confirmed it; pass --yes to confirm.")
    deleted = _client(state).trash_delete(name)
    out.result(deleted, f"The local copy of {deleted.name} is deleted; its key file and its store are untouched.")


def _folder(state: Path | None) -> Path:
    return (state or Layout(state_folder(None)).storage).absolute()


def _client(state: Path | None) -> StorageClient:
    return StorageClient(_folder(state) / "storage.sock")


storage.add_command(store)
storage.add_command(limit)
storage.add_command(share)
