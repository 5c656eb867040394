"""The `mosaic device` family: run this machine as a Device, and look after all of them."""

from pathlib import Path

import click

from mosaic.cli.output import Output, json_option

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def device() -> None:
    """The machines that run apps."""


@device.command("run")
@click.option("--state", type=_FOLDER, help="Where everything of this Device is kept. [env MOSAIC_STATE]")
@click.option("--name", help="What the Device is called; the host name if not given.")
@click.option(
    "--join",
    envvar="MOSAIC_JOIN",
    help="The join token that `mosaic device add` printed; `-` reads it from standard input. [env MOSAIC_JOIN]",
)
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@click.option("--new-identity", is_flag=True, help="For a cloned machine: join anew, as a Device of its own.")
@click.option("--driver", help="The volume driver's name on this engine; made from the Device's name if not given.")
@click.option(
    "--pool",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="A folder on btrfs to keep volumes in; an image if not given.",
)
@click.option("--storage-socket", type=_FOLDER, help="Use the storage daemon that runs there, and start none.")
@click.option("--parent", type=int, hidden=True)
def run(
    state: Path | None,
    name: str | None,
    join: str | None,
    passphrase_file: Path | None,
    new_identity: bool,
    driver: str | None,
    pool: Path | None,
    storage_socket: Path | None,
    parent: int | None,
) -> None:
    """Run this machine as a Device until it is stopped.

    At the first start it joins a Hive: by a join token, or by itself when this
    machine's command line is logged in.
    """
    from mosaic.cli.up.layout import Layout, state_folder

    layout = Layout(state_folder(state))
    if storage_socket is not None:
        from mosaic.cli.up.device_alone import serve

        return serve(layout, storage_socket, name=name, driver=driver, parent=parent)
    from mosaic.cli.up.device_run import Joining, run_device

    return run_device(layout, Joining(name, join, passphrase_file, new_identity), driver=driver, pool=pool)


@device.command()
@click.option("--name", default="", help="What the new Device is called; its host name if not given.")
@click.option("--here", is_flag=True, help="Let in the Device of the `mosaic up` that runs on this machine.")
@click.option("--state", type=_FOLDER, help="With --here: its state folder.")
@click.option("--url", help="Where the new machine reaches the Hive, when not as this one does.")
@click.option("--wait-for-admission", is_flag=True, help="Do not ask for the passphrase; admit it when it has joined.")
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@json_option
def add(
    out: Output,
    name: str,
    here: bool,
    state: Path | None,
    url: str | None,
    wait_for_admission: bool,
    passphrase_file: Path | None,
) -> None:
    """Make a join token and print the command that turns another machine into a Device."""
    from mosaic.cli.up import device_add

    if here:
        return device_add.add_here(out, name, state, passphrase_file)
    return device_add.add(out, name, url=url, admitted=not wait_for_admission, passphrase_file=passphrase_file)


@device.command("list")
@json_option
def list_(out: Output) -> None:
    """List the Devices."""
    from mosaic.cli.connection import connected
    from mosaic.cli.units import ago
    from mosaic.wire.api import Device

    with connected() as hive:
        devices = hive.get("/api/devices", list[Device])
    rows = [
        [one.name, one.health.word, ago(one.last_report_ns), str(len(one.installations)), one.version]
        for one in devices
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
@click.option("--force", is_flag=True, help="Also when it set aside what no other machine has: that is given up.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(out: Output, name: str, force: bool, yes: bool) -> None:
    """Remove a Device that no app belongs on. Of one that was lost or stolen, it says what to do next."""
    from mosaic.cli import asking
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import RemovalNotConfirmed, could_read, find
    from mosaic.core.errors import MosaicError
    from mosaic.wire.api import Volume

    with connected() as hive:
        found = find(hive, name)
        if not asking.agree(f"Remove the Device {found.name}?", yes=yes):
            raise RemovalNotConfirmed(found.name)
        readable = sorted({one.name for one in hive.get("/api/volumes", list[Volume])}) if found.has_root_key else []
        path, given_up = f"/api/devices/{found.device}", ""
        try:
            hive.order("DELETE", path)
        except MosaicError as refused:
            if not force or refused.code != "only-copy":
                raise
            if not asking.agree(f"{refused.message}. Give that up?", yes=yes):
                raise RemovalNotConfirmed(found.name) from None
            given_up = refused.message
            hive.order("DELETE", f"{path}?force=true")
    following = ["mosaic keys renew"] if found.has_root_key else []
    value = {"device": found.device, "name": found.name, "could_read": readable, "if_stolen": following}
    told = f"{found.name} is no longer a Device of this account."
    if given_up:
        # Named also where nobody was asked.
        value["given_up"] = given_up
        told = f"{told} Given up: {given_up}."
    out.result(value, f"{told}\n{could_read(readable)}" if following else told)


@device.command()
@click.argument("name")
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@json_option
def admit(out: Output, name: str, passphrase_file: Path | None) -> None:
    """Let a Device in that has joined, and give it the account's root key, wrapped to it alone."""
    from mosaic.cli import credentials
    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.cli.unlocking import unlock
    from mosaic.crypto import admission
    from mosaic.crypto.account import root_id_of
    from mosaic.crypto.envelope import wrap_root_for_device
    from mosaic.wire.api import Admit, Device

    with connected() as hive:
        found = find(hive, name)
        opened, _ = unlock(hive, passphrase_file)
        signed = admission.admit(opened.owner_seed, account=credentials.load().account, subject=found.device)
        root = None
        if not found.has_root_key:
            root = wrap_root_for_device(opened.root, wrapping_key=found.wrapping_key, owner_seed=opened.owner_seed)
        admit = Admit(signed, root, root_id_of(opened.root) if root else "")
        let_in = hive.send("POST", f"/api/devices/{found.device}/admit", admit, Device)
    out.result(let_in, f"{let_in.name} is admitted and can run apps.")
