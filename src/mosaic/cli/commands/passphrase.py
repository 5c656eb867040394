"""`mosaic passphrase set|rotate` and `mosaic recovery-kit`: the keys, made and re-wrapped on this machine."""

from pathlib import Path

import click

from mosaic.cli import asking
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.unlocking import NoPassphrase
from mosaic.core.errors import Conflict
from mosaic.crypto import account as keys
from mosaic.crypto import passphrase as words
from mosaic.crypto import unwrap
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, SetKeys

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class PassphraseIsSet(Conflict):
    """The account has its keys already."""

    code = "passphrase-is-set"

    def __init__(self) -> None:
        super().__init__(
            "this account has a passphrase already, and a second set of keys would lock its data away",
            hint="change it with `mosaic passphrase rotate`",
        )


@click.group()
def passphrase() -> None:
    """The passphrase unlocks the data. It is never sent anywhere."""


@passphrase.command("set")
@click.option("--own", is_flag=True, help="Type one of your own instead of six generated words.")
@click.option("--passphrase-file", type=_FILE, help="Read your own from a file.")
@json_option
def set_(out: Output, own: bool, passphrase_file: Path | None) -> None:
    """Give the account its keys: six generated words, and a recovery code."""
    with connected() as hive:
        if hive.get("/api/account", Account).keys is not None:
            raise PassphraseIsSet
        chosen, generated = _choose(own, passphrase_file)
        made = keys.make(chosen)
        hive.send("PUT", "/api/account/keys", SetKeys(made.new), Account)
    value = {"recovery_code": made.recovery_code, **({"passphrase": chosen} if generated else {})}
    shown = f"Passphrase:     {chosen}\n" if generated else ""
    out.result(
        value,
        f"{shown}Recovery code:  {made.recovery_code}\n"
        "Write them down now: they are shown once, and without them nobody can read the data, you included.",
    )


@passphrase.command()
@click.option("--own", is_flag=True, help="Type one of your own instead of six generated words.")
@click.option("--passphrase-file", type=_FILE, help="Read the present one from a file.")
@click.option("--new-passphrase-file", type=_FILE, help="Read your own new one from a file.")
@json_option
def rotate(out: Output, own: bool, passphrase_file: Path | None, new_passphrase_file: Path | None) -> None:
    """Change the passphrase. No volume is encrypted anew; the recovery code stays good."""
    with connected() as hive:
        present = _present_keys(hive.get("/api/account", Account))
        old = asking.secret("present passphrase", file=passphrase_file, option="--passphrase-file")
        opened = unwrap.unlock(present, old)
        chosen, generated = _choose(own, new_passphrase_file)
        change = SetKeys(keys.rewrap(present, opened, chosen), previous_auth_key=_proof(present, old))
        hive.send("PUT", "/api/account/keys", change, Account)
    value = {"version": present.version + 1, **({"passphrase": chosen} if generated else {})}
    shown = f"New passphrase:  {chosen}\nWrite it down now: it is shown once.\n" if generated else ""
    out.result(value, f"{shown}The old passphrase opens nothing any more. Devices that run go on.")


@click.command("recovery-kit")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@json_option
def recovery_kit(out: Output, passphrase_file: Path | None) -> None:
    """Make and print a new recovery code; older ones stop working.

    It opens the account's data without the passphrase, from the encrypted
    store alone. Print it and keep it away from your machines.
    """
    with connected() as hive:
        account = hive.get("/api/account", Account)
        present = _present_keys(account)
        words_now = asking.secret("passphrase", file=passphrase_file, option="--passphrase-file")
        made = keys.renew_recovery(present, unwrap.unlock(present, words_now), words_now)
        change = SetKeys(made.new, previous_auth_key=_proof(present, words_now))
        hive.send("PUT", "/api/account/keys", change, Account)
        url = hive.url
    value = {"account": account.account, "name": account.name, "hive": url, "recovery_code": made.recovery_code}
    out.result(
        value,
        f"Mosaic recovery kit\n  account:        {account.name} ({account.account})\n  Hive:           {url}\n"
        f"  recovery code:  {made.recovery_code}\nShown once. Older kits of this account no longer work.",
    )


def _present_keys(account: Account) -> AccountKeys:
    if account.keys is None:
        raise NoPassphrase
    return account.keys


def _choose(own: bool, file: Path | None) -> tuple[str, bool]:
    """Return a passphrase and whether it was generated (and must be shown)."""
    if not own and file is None:
        return words.generate(), True
    chosen = asking.secret("new passphrase", file=file, option="--passphrase-file", twice=True)
    words.check_strength(chosen)
    return chosen, False


def _proof(present: AccountKeys, passphrase_now: str) -> str:
    return words.derive(passphrase_now, present.kdf).auth_key.reveal().hex()
