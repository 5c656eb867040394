"""`mosaic hive serve` and `reset-password`; `backup`, `recover` and `state` are in `hive_copies`."""

from pathlib import Path

import click

from mosaic.cli.commands.hive_copies import backup, recover, state_
from mosaic.cli.output import Output, json_option

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def hive() -> None:
    """The Hive: accounts, Devices, catalog, installations and encrypted stores."""


@hive.command()
@click.option("--state", type=_FOLDER, required=True, help="Where everything of this Hive is kept.")
@click.option("--listen", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8930, show_default=True, help="0 takes a free one.")
@click.option("--url", help="How people and Devices reach this Hive.")
@click.option("--cert", type=_FILE, help="A certificate (PEM) to serve HTTPS by.")
@click.option("--key", type=_FILE, help="The certificate's private key (PEM).")
@click.option("--acme", metavar="EMAIL", help="Get a public certificate for --url by ACME, accepting its terms.")
@click.option("--acme-directory", metavar="URL", help="The authority's directory; Let's Encrypt's if not given.")
@click.option("--acme-root", type=_FILE, help="Whom to trust at that directory (PEM), if not a public authority.")
@click.option("--catalog", "catalogs", type=_FOLDER, multiple=True, help="A folder of apps.")
@click.option("--backup-to", metavar="PLACE", help="Copy this Hive's own database there: a folder, or s3://….")
@click.option("--device-image", metavar="IMAGE", help="What Devices in containers start from; mosaic/device:VERSION.")
@click.option("--own-gateway", metavar="URL", help="A gateway that runs beside this Hive, and is used from the start.")
@click.option("--own-gateway-root", type=_FILE, help="Whom to trust there (PEM), if not a public authority.")
@click.option("--parent", type=int, hidden=True)
def serve(
    state: Path,
    listen: str,
    port: int,
    url: str | None,
    cert: Path | None,
    key: Path | None,
    acme: str | None,
    acme_directory: str | None,
    acme_root: Path | None,
    catalogs: tuple[Path, ...],
    backup_to: str | None,
    device_image: str | None,
    own_gateway: str | None,
    own_gateway_root: Path | None,
    parent: int | None,
) -> None:
    """Run the Hive until it is stopped."""
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together")
    if parent is not None:
        from mosaic.cli.up.orphans import die_with

        die_with(parent)
    from mosaic.cli.up.lean import be_lean

    be_lean()
    import os

    from mosaic import __version__
    from mosaic.adapters.machine import machine_name
    from mosaic.adapters.oci.credentials import docker_config
    from mosaic.cli.up.services import MOSAIC
    from mosaic.core.device_container import image_of
    from mosaic.hive.config import LETS_ENCRYPT, Acme, HiveConfig, OwnGateway
    from mosaic.hive.serve import serve as run

    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (state / "hive.db").exists():
        _make_database(state)
    if backup_to is not None:
        copy_to(state, backup_to)
    run(
        HiveConfig(
            state=state,
            machine=machine_name(),
            listen=listen,
            port=port,
            url=url,
            catalogs=catalogs,
            certificate=cert,
            key=key,
            acme=Acme(acme, acme_directory or LETS_ENCRYPT, acme_root) if acme else None,
            backup_argv=(*MOSAIC, "hive", "backup", "now", "--state", str(state), "--json"),
            logins=docker_config(os.environ, Path.home()),
            device_image=device_image or image_of(__version__),
            own_gateway=OwnGateway(own_gateway, own_gateway_root) if own_gateway else None,
        )
    )


def copy_to(state: Path, url: str) -> None:
    """Note where copies go. The key of a bucket that was set before stays."""
    from mosaic.adapters.backup_files import BackupFiles, Destination

    files = BackupFiles(state)
    before = files.destination()
    if before is None or before.url != url:
        files.put_destination(Destination(url))


@hive.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
def prepare(state: Path) -> None:
    """Make the database and end."""
    from mosaic.hive.config import HiveConfig
    from mosaic.hive.serve import open_database

    open_database(HiveConfig(state=state, machine="")).close()


@hive.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
def signs(state: Path) -> None:
    """Print what an upgrade compares, as this version reads it."""
    from mosaic.cli.output import to_json
    from mosaic.cli.upgrading.signs import read

    click.echo(to_json(read(state)))


def _make_database(state: Path) -> None:
    """Make the database in a process of its own: what builds tables would stay in memory here for months, 10 MB."""
    from mosaic.adapters import process
    from mosaic.cli.up.services import MOSAIC

    process.run([*MOSAIC, "hive", "prepare", "--state", str(state)], deadline_seconds=60)


hive.add_command(backup)
hive.add_command(recover)
hive.add_command(state_)


@hive.command("reset-password")
@click.option("--state", type=_FOLDER, help="The Hive's state folder; the one of `mosaic up` if not given.")
@click.option("--name", help="The account's name; the only account's if not given.")
@click.option("--own", is_flag=True, help="Type one of your own instead of a generated one.")
@click.option("--password-file", type=_FILE, help="Read your own from a file.")
@json_option
def reset_password(out: Output, state: Path | None, name: str | None, own: bool, password_file: Path | None) -> None:
    """Give an account a new password, on the Hive's own machine.

    The passphrase and the data stay as they are. All logins of the account end.
    """
    from mosaic.cli import asking
    from mosaic.cli.up.layout import Layout, state_folder
    from mosaic.crypto.password import generate_password
    from mosaic.hive.reset_password import reset_password as reset

    generated = not own and password_file is None
    if generated:
        password = generate_password()
    else:
        password = asking.secret("new password", file=password_file, option="--password-file", twice=True)
    account = reset(state or Layout(state_folder(None)).hive, password, name=name)
    shown = f"New password of {account}:  {password}\nIt is shown once." if generated else f"{account} has a new one."
    out.result({"name": account, **({"password": password} if generated else {})}, shown)
