"""`mosaic up`: everything on one machine with one command.

Imports little: this process is the supervisor and stays as long as it runs.
"""

from dataclasses import replace
from pathlib import Path

import click

from mosaic.cli.up.layout import Layout, state_folder
from mosaic.cli.up.settings import Settings

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
_CATALOG = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--demo", is_flag=True, help="Also make an account and install the sample app.")
@click.option("--state", type=_FOLDER, help="Where everything is kept. [env MOSAIC_STATE; /var/lib/mosaic]")
@click.option("--listen", metavar="ADDR", help="Listen on this address instead of loopback; needs --url.")
@click.option("--url", help="The https:// address at which people and Devices reach this Hive.")
@click.option("--port", type=click.IntRange(1, 65535), help="The Hive's port; chosen once and kept.")
@click.option("--cert", type=_FILE, help="A certificate (PEM) to serve HTTPS by; one of its own CA if not given.")
@click.option("--key", type=_FILE, help="The certificate's private key (PEM).")
@click.option("--acme", metavar="EMAIL", help="Get a public certificate for --url by ACME, accepting its terms.")
@click.option("--acme-directory", metavar="URL", help="The authority's directory; Let's Encrypt's if not given.")
@click.option("--acme-root", type=_FILE, help="Whom to trust at that directory (PEM), if not a public authority.")
@click.option("--catalog", "catalogs", type=_CATALOG, multiple=True, help="A folder of apps to install from.")
@click.option("--pool", type=_CATALOG, help="A folder on btrfs to keep volumes in; an image if not given.")
@click.option("--pool-gigabytes", type=click.IntRange(min=1), help="How large that image shall be; it can grow later.")
@click.option("--name", help="What this machine's Device is called; its host name if not given.")
@click.option("--driver", help="The volume driver's name, where several share one engine.")
@click.option("--backup-to", metavar="PLACE", help="Copy the Hive's own database there: a folder, or s3://….")
@click.option("--device-image", metavar="IMAGE", help="What Devices in containers start from; mosaic/device:VERSION.")
@click.option("--gateway", metavar="HOST", help="Also run a public gateway, reached by that name; `none` ends that.")
@click.option("--gateway-domain", metavar="D", help="With --gateway: names are given out under it; HOST if not given.")
@click.option("--gateway-url", metavar="URL", help="With --gateway: where Hive and links ask it, if not https://HOST.")
@click.option(
    "--gateway-root", type=_FILE, help="With --gateway: whom to trust there (PEM), if not a public authority."
)
@click.option("--gateway-options", metavar="WORDS", help="More words for its `mosaic gateway serve`, in one text.")
@click.option("--password-file", type=_FILE, help="With --demo: the account's password.")
@click.option("--passphrase-file", type=_FILE, help="With --demo: the account's passphrase.")
@click.option("--install", "installs", is_flag=True, help="Write systemd units, so that it runs from every boot on.")
@click.option("--uninstall", "uninstalls", is_flag=True, help="Stop, remove the units, and ask about the data.")
@click.option("--keep-data/--delete-data", default=None, help="With --uninstall: what to do with the data.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def up(
    demo: bool,
    state: Path | None,
    listen: str | None,
    url: str | None,
    port: int | None,
    cert: Path | None,
    key: Path | None,
    acme: str | None,
    acme_directory: str | None,
    acme_root: Path | None,
    catalogs: tuple[Path, ...],
    pool: Path | None,
    pool_gigabytes: int | None,
    name: str | None,
    driver: str | None,
    backup_to: str | None,
    device_image: str | None,
    gateway: str | None,
    gateway_domain: str | None,
    gateway_url: str | None,
    gateway_root: Path | None,
    gateway_options: str | None,
    password_file: Path | None,
    passphrase_file: Path | None,
    installs: bool,
    uninstalls: bool,
    keep_data: bool | None,
    as_json: bool,
) -> None:
    """Run the Hive, the storage daemon and a Device on this machine."""
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together")
    if cert is not None and acme is not None:
        raise click.UsageError("--cert and --acme exclude each other")
    if installs and uninstalls:
        raise click.UsageError("--install and --uninstall exclude each other")
    layout = Layout(state_folder(state))
    if uninstalls:
        from mosaic.cli.up.uninstall import uninstall

        return uninstall(layout, keep_data=keep_data, as_json=as_json)
    options: dict[str, str | None] = {
        "listen": listen,
        "url": url,
        "cert": str(cert) if cert else None,
        "key": str(key) if key else None,
        "acme": acme,
        "acme_directory": acme_directory,
        "acme_root": str(acme_root) if acme_root else None,
        "name": name,
        "driver": driver,
        "backup_to": backup_to,
        "device_image": device_image,
        "gateway": gateway,
        "gateway_domain": gateway_domain,
        "gateway_url": gateway_url,
        "gateway_root": str(gateway_root) if gateway_root else None,
        "gateway_options": gateway_options,
    }

    def change(kept: Settings) -> Settings:
        return Pool(pool, pool_gigabytes).over(with_options(kept, options, tuple(str(catalog) for catalog in catalogs)))

    from mosaic.cli.up import run
    from mosaic.cli.up.pool_size import Pool

    wanted = run.Wanted(demo, port, password_file, passphrase_file, as_json)
    if installs:
        from mosaic.cli.up.install import install

        return install(layout, change, wanted)
    return run.up(layout, change, wanted)


def with_options(kept: Settings, options: dict[str, str | None], catalogs: tuple[str, ...]) -> Settings:
    """Lay this start's options over what was kept; fill in what the first start needs."""
    given = {option: value for option, value in options.items() if value is not None}
    changed = replace(kept, **given)  # type: ignore[arg-type]  # every option is a text field of Settings
    found = catalogs or changed.catalogs or _examples()
    return replace(changed, catalogs=found, name=changed.name or _host_name())


def _examples() -> tuple[str, ...]:
    """Return the sample apps of a checkout; a wheel has none, and `--catalog` names some."""
    import mosaic

    folder = Path(mosaic.__file__).parents[2] / "examples"
    return (str(folder),) if folder.is_dir() else ()


def _host_name() -> str:
    import socket

    return socket.gethostname().split(".")[0] or "device"
