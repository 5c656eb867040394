"""`mosaic install APP`: from the catalog to a running, healthy app."""

from pathlib import Path

import click

from mosaic.cli import approving, coming, granting, verdict
from mosaic.cli.connection import connected
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe
from mosaic.cli.unlocking import at_first_need
from mosaic.wire.api import Install, Installation

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("app")
@click.option("--device", help="The Device (name or id) to run it on; not needed when there is one.")
@click.option("--name", help="What to call it here; the app's own name if not given.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A value for the app's configuration.")
@click.option(
    "--grant", "granted", multiple=True, metavar="KEY", help="Allow what policy refuses; needs the passphrase."
)
@click.option("--approve", is_flag=True, help="Sign for an app that nobody else signed; needs the passphrase.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def install(
    out: Output,
    app: str,
    device: str | None,
    name: str | None,
    settings: tuple[str, ...],
    granted: tuple[str, ...],
    approve: bool,
    passphrase_file: Path | None,
    dry_run: bool,
    no_wait: bool,
) -> None:
    """Install APP from the catalog and wait until it runs."""
    config = _config(settings)
    with connected() as hive:
        opened = at_first_need(hive, passphrase_file)
        # What is called `source/app` in the catalog is called `app` once it is installed.
        called = name or app.rpartition("/")[2]
        grant = granting.sign(opened, called, granted) if granted else None
        approval = approving.approve_listed(hive, out, opened, app) if approve else None
        wish = Install(app, name=name, device=device, config=config, dry_run=dry_run, grant=grant, approval=approval)
        made = coming.wait_for(out, lambda: hive.send("POST", "/api/installations", wish, Installation))
        if dry_run:
            out.result(made, f"{app} can be installed as {made.name}. Nothing was changed.")
            return
        if not no_wait:
            out.remark(f"Installing {app} as {made.name}; Ctrl-C stops watching, not the work.")
            made = follow(hive, made.installation, verdict.running)
    out.result(made, describe(made))


def _config(settings: tuple[str, ...]) -> dict[str, str]:
    config = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set takes KEY=VALUE, and {setting!r} is not that")
        config[key] = value
    return config
