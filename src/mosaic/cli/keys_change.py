"""Changing the wrappings of an account's keys so that no kill and no lost reply locks anybody out.

What opens the new wrappings is shown before the Hive is told: between the two
the old secret counts and the new one is waste paper. The Hive takes the
change in one compare-and-swap on its version; when its reply is lost, the
account is read again, and says which of both counts.
"""

import sys
from pathlib import Path

import click

from mosaic.adapters.api_client import HiveClient
from mosaic.core.errors import Conflict, MosaicError, Unavailable
from mosaic.wire.api import Account, SetKeys
from mosaic.wire.root_key import RenewRoot


class KeysUnsure(Unavailable):
    """The reply was lost, and the Hive could not be asked again."""

    code = "keys-unsure"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"whether the Hive took the change is not known: {reason}",
            hint="keep both, the old and the new; run the command again when the Hive answers, with whichever counts",
        )


def put_keys(hive: HiveClient, change: SetKeys | RenewRoot) -> None:
    """Have the Hive keep the new wrappings, of the same root key or of another one.

    Raises:
        KeysUnsure: nobody knows whether it did.
        MosaicError: it did not, and nothing has changed.
    """
    path = "/api/account/root" if isinstance(change, RenewRoot) else "/api/account/keys"
    try:
        hive.send("PUT", path, change, Account)
    except (Unavailable, Conflict) as error:
        if not _is_taken(hive, change, error):
            raise


def _is_taken(hive: HiveClient, change: SetKeys | RenewRoot, error: MosaicError) -> bool:
    try:
        return hive.get("/api/account", Account).keys == change.new.keys
    except Unavailable:
        raise KeysUnsure(error.message) from error


def show(text: str, *, as_json: bool = False) -> None:
    """Show a secret on the terminal, past any redirection into a log; where there is none, on stdout.

    With `as_json` stdout is the result's alone, and the result comes too late: a terminal or stderr has it first.
    """
    from mosaic.cli.up.run import terminal_path

    terminal = None if sys.stdout.isatty() and not as_json else terminal_path()
    if terminal is None:
        click.echo(text, err=as_json)
        return
    with Path(terminal).open("w") as screen:
        screen.write(text + "\n")
