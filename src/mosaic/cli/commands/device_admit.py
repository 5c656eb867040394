"""`mosaic device admit` and `fingerprint`: let a Device in whose keys were recognised."""

from pathlib import Path

import click

from mosaic.cli.output import Output, json_option

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("name")
@click.option("--fingerprint", "typed", help="What the Device's machine shows; it is asked for where that is needed.")
@click.option("--passphrase-file", type=_FILE, help="Read the account's passphrase from a file.")
@json_option
def admit(out: Output, name: str, typed: str | None, passphrase_file: Path | None) -> None:
    """Let a Device in that has joined, and give it the account's root key, wrapped to it alone.

    The Hive names the key that it is wrapped to. It is checked here: by the line that was made on this
    machine and pasted on the Device's, else you compare a fingerprint.
    """
    from mosaic.cli import admitting

    admitting.admit(out, name, typed, passphrase_file)


@click.command("fingerprint")
@click.argument("name", required=False)
@click.option("--is", "typed", metavar="FINGERPRINT", help="Compare with what that machine shows, and remember it.")
@click.option("--passphrase-file", type=_FILE, help="For `--is`: read the account's passphrase from a file.")
@click.option("--state", type=_FOLDER, help="The state folder of the Device on this machine.")
@json_option
def show_fingerprint(
    out: Output, name: str | None, typed: str | None, passphrase_file: Path | None, state: Path | None
) -> None:
    """Show the fingerprint of the keys of the Device on this machine; with NAME, of those that the Hive names.

    Both are the same, or the Hive does not pass on what the Device said.
    """
    from mosaic.cli import admitting

    if name is None:
        if typed is not None:
            raise click.UsageError("`--is` compares what the Hive says: name the Device")
        return admitting.show_here(out, state)
    return admitting.show_named(out, name, typed, passphrase_file)
