"""The `mosaic device` family: run this machine as a Device, and look after all of them."""

import os
from pathlib import Path

import click

from mosaic.cli.imported_later import ImportedLater
from mosaic.cli.output import Output, json_option
from mosaic.core.device_texts import FORMS, GIVINGS, Form, Giving, default_giving

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


OTHERS = {
    "admit": ("device_admit", "admit", "Let a Device in that has joined."),
    "fingerprint": ("device_admit", "show_fingerprint", "Show by what a Device's keys are recognised."),
    "report": ("device_report", "report", "Show what a Device tells its Hive."),
    "doctor": ("device_doctor", "doctor", "Have another Device check its machine."),
    "upgrades": ("device_upgrade", "upgrades", "Have a Device take newer versions of Mosaic by itself, or not."),
    "upgrade": ("device_upgrade", "upgrade", "Have a Device become the newest version of Mosaic."),
}


class DeviceCommands(ImportedLater):
    """The commands here, and those of `OTHERS`."""

    others = OTHERS


@click.group(cls=DeviceCommands)
def device() -> None:
    """The machines that run apps."""


@device.command("run")
@click.option("--state", type=_FOLDER, help="Where everything of this Device is kept. [env MOSAIC_STATE]")
@click.option("--name", help="What the Device is called; the host name if not given.")
@click.option(
    "--join",
    help="The join token that `mosaic device add` printed; `-` reads it from standard input. [env MOSAIC_JOIN]",
)
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@click.option("--new-identity", is_flag=True, help="For a cloned machine: join anew, as a Device of its own.")
@click.option("--driver", help="The volume driver's name on this engine; made from the Device's name if not given.")
@click.option(
    "--pool",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A folder on btrfs to keep volumes in; an image if not given. Not for a Device in a container.",
)
@click.option("--pool-gigabytes", type=click.IntRange(min=1), help="How large that image shall be; it can grow later.")
@click.option("--storage-socket", type=_FOLDER, help="Use the storage daemon that runs there, and start none.")
@click.option(
    "--trust-apps",
    "trusted",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    multiple=True,
    help="A folder of apps on this machine that this Device may run without the owner's signature.",
)
@click.option("--hardware", help="The kind of machine, as Targets name it; generic-<architecture> if not given.")
@click.option("--group", help="The group that roll-outs find this Device in.")
@click.option(
    "--own-engine", is_flag=True, help="Run apps in a Docker engine of this Device's own. [env MOSAIC_ENGINE=own]"
)
@click.option("--parent", type=int, hidden=True)
def run(
    state: Path | None,
    name: str | None,
    join: str | None,
    passphrase_file: Path | None,
    new_identity: bool,
    driver: str | None,
    pool: Path | None,
    pool_gigabytes: int | None,
    storage_socket: Path | None,
    trusted: tuple[Path, ...],
    hardware: str | None,
    group: str | None,
    own_engine: bool,
    parent: int | None,
) -> None:
    """Run this machine as a Device until it is stopped.

    At the first start it joins a Hive: by a join token, or by itself when this
    machine's command line is logged in.
    """

    from mosaic.cli.up import device_words
    from mosaic.cli.up.layout import Layout, state_folder
    from mosaic.cli.up.targets import Targets

    # Before anything else: no child of this process may have them.
    words = device_words.take(os.environ)
    layout, targets = Layout(state_folder(state)), Targets(hardware, group, trusted)
    has_own_engine = own_engine or os.environ.get("MOSAIC_ENGINE") == "own"
    if storage_socket is not None:
        from mosaic.cli.up.device_alone import serve

        return serve(
            layout,
            storage_socket,
            name=name,
            driver=driver,
            parent=parent,
            targets=targets,
            has_own_engine=has_own_engine,
        )
    from mosaic.cli.up.device_run import Joining, run_device
    from mosaic.cli.up.pool_size import Pool

    return run_device(
        layout,
        Joining(name, join, passphrase_file, new_identity, words),
        driver=driver,
        pool=Pool(pool, pool_gigabytes),
        targets=targets,
        has_own_engine=has_own_engine,
    )


@device.command()
@click.option("--name", default="", help="What the new Device is called; its host name if not given.")
@click.option("--here", is_flag=True, help="Let in the Device of the `mosaic up` that runs on this machine.")
@click.option("--state", type=_FOLDER, help="With --here: its state folder.")
@click.option("--as", "form", type=click.Choice(FORMS), default="docker", show_default=True, help="What to print.")
@click.option(
    "--passphrase-by",
    "giving",
    type=click.Choice(GIVINGS),
    help="How the Device gets the passphrase: asked in its terminal, from a file there, in the line, or not at all: "
    "the owner admits it.  [asked; file where nothing can ask]",
)
@click.option(
    "--own-engine", is_flag=True, help="Isolated mode: the Device has a Docker engine of its own for its apps."
)
@click.option("--image", help="The image of the Device, when not the one that the Hive names.")
@click.option("--url", help="Where the new machine reaches the Hive, when not as this one does.")
@click.option("--wait-for-admission", is_flag=True, help="The same as `--passphrase-by owner`.")
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@json_option
def add(
    out: Output,
    name: str,
    here: bool,
    state: Path | None,
    form: Form,
    giving: Giving | None,
    own_engine: bool,
    image: str | None,
    url: str | None,
    wait_for_admission: bool,
    passphrase_file: Path | None,
) -> None:
    """Make a join token and print what turns another machine into a Device."""
    from mosaic.cli.up import device_add

    if here and own_engine:
        raise click.UsageError("the Device of `mosaic up` uses the engine of its machine")
    if here:
        return device_add.add_here(out, name, state, passphrase_file)
    if wait_for_admission:
        giving = "owner"
    wish = device_add.Wish(name, form, giving or default_giving(form), url, image, passphrase_file, own_engine)
    return device_add.add(out, wish)


@device.command("list")
@json_option
def list_(out: Output) -> None:
    """List the Devices."""
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import state
    from mosaic.cli.units import ago
    from mosaic.wire.api import Device

    with connected() as hive:
        devices = hive.get("/api/devices", list[Device])
    rows = [
        [one.name, state(one), ago(one.last_report_ns), str(len(one.installations)), one.version] for one in devices
    ]
    out.table(devices, ["NAME", "STATE", "REPORTED", "APPS", "VERSION"], rows, empty="There is no Device yet.")


@device.command()
@click.argument("name")
@json_option
def show(out: Output, name: str) -> None:
    """Show one Device by name or id."""
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find, in_full

    with connected() as hive:
        found = find(hive, name)
    out.result(found, in_full(found))


@device.command()
@click.argument("name")
@click.option("--move-to", "target", help="Move every app of it to this Device (name or id).")
@click.option("--stop", "stopping", is_flag=True, help="Stop its apps, and move none: their data stays in the store.")
@click.option("--force", is_flag=True, help="Do not wait for it: it is gone. What only it has is given up.")
@click.option("--keep", is_flag=True, help="Take a removal back that is under way.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@click.option("--yes", is_flag=True, help="Do not ask; accept what the plan says.")
@json_option
def remove(
    out: Output,
    name: str,
    target: str | None,
    stopping: bool,
    force: bool,
    keep: bool,
    dry_run: bool,
    no_wait: bool,
    yes: bool,
) -> None:
    """Remove a Device: show what becomes of its apps, have them moved or stopped, and revoke its key.

    Of one that was lost or stolen, it says what to do next.
    """
    from mosaic.cli import removing
    from mosaic.wire.removal import Removal

    if keep:
        removing.keep(out, name)
        return
    if target is not None and stopping:
        raise click.UsageError("apps are either moved, with --move-to, or stopped, with --stop")
    wish = Removal(target, stopping, force)
    if dry_run:
        removing.show(out, name, wish)
        return
    removing.remove(out, name, wish, yes=yes, waits=not no_wait)
