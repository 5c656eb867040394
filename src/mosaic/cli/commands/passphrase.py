"""`mosaic passphrase set|rotate` and `mosaic recovery-kit`: the keys, made and re-wrapped on this machine."""

from pathlib import Path

import click

from mosaic.cli import asking
from mosaic.cli.connection import connected
from mosaic.cli.keys_change import KeysUnsure, put_keys, show
from mosaic.cli.output import Output, json_option
from mosaic.cli.unlocking import NoPassphrase
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.crypto import account as keys
from mosaic.crypto import passphrase as words
from mosaic.crypto import unwrap
from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Account, SetKeys
from mosaic.wire.hive_backup import HiveKit, KitRequest

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


class PassphraseIsSet(Conflict):
    """The account has its keys already."""

    code = "passphrase-is-set"

    def __init__(self) -> None:
        super().__init__(
            "this account has a passphrase already, and a second set of keys would lock its data away",
            hint="change it with `mosaic passphrase rotate`",
        )


class KitOutdated(Refused):
    """The kit's recovery code is not the one that counts."""

    code = "recovery-kit-outdated"

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"the recovery code in {file} is not the account's present one",
            hint="look for a newer kit, or make one: `mosaic recovery-kit --renew`",
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
        words_line = f"Passphrase:     {chosen}\n" if generated else ""
        show(
            f"{words_line}Recovery code:  {made.recovery_code}\n"
            "Write them down now: they are shown once, and without them nobody can read the data, you included.",
            as_json=out.as_json,
        )
        put_keys(hive, SetKeys(made.new))
    value = {"recovery_code": made.recovery_code, **({"passphrase": chosen} if generated else {})}
    out.result(value, "They count from now on.")


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
        if generated:
            show(
                f"New passphrase:  {chosen}\n"
                "Write it down now: it is shown once. Until this command says so, the old one counts.",
                as_json=out.as_json,
            )
        put_keys(hive, change)
    value = {"version": present.version + 1, **({"passphrase": chosen} if generated else {})}
    out.result(value, "The new passphrase counts; the old one opens nothing any more. Devices that run go on.")


@click.command("recovery-kit")
@click.option("--renew", is_flag=True, help="Make a new recovery code; the older one stops working.")
@click.option("--out", "file", type=_NEW_FILE, help="Write the kit into this new file instead of showing it.")
@click.option("--check", "checked", type=_FILE, help="Say whether the recovery code in this kit still counts.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file.")
@json_option
def recovery_kit(
    out: Output, renew: bool, file: Path | None, checked: Path | None, passphrase_file: Path | None
) -> None:
    """Show the recovery kit, to print and to keep away from your machines.

    The recovery code opens the account's data without the passphrase, from an
    encrypted store alone; it was shown when it was made, and --renew makes
    another. The backup code opens the copies of the Hive's own database.
    """
    from mosaic.cli.hive_backup.kit import Kit, remove_kit, write_kit

    if checked is not None:
        _check_kit(out, checked)
        return
    with connected() as hive:
        account = hive.get("/api/account", Account)
        present = _present_keys(account)
        words_now = asking.secret("passphrase", file=passphrase_file, option="--passphrase-file")
        opened = unwrap.unlock(present, words_now)
        proof = _proof(present, words_now)
        of_hive = hive.send("POST", "/api/hive/kit", KitRequest(proof), HiveKit)
        made = keys.renew_recovery(present, opened, words_now) if renew else None
        code = made.recovery_code if made else None
        kit = Kit(f"{account.name} ({account.account})", hive.url, code, of_hive.backup_code, of_hive.to)
        if file is not None:
            write_kit(file, kit)
        elif made is not None or not out.as_json:
            show(kit.text(), as_json=out.as_json)
        if made is not None:
            try:
                put_keys(hive, SetKeys(made.new, previous_auth_key=proof))
            except KeysUnsure:
                raise
            except MosaicError:
                if file is not None:
                    remove_kit(file)
                raise
    value = {"account": account.account, "name": account.name, "hive": kit.hive, "copies": kit.to}
    if file is None:
        value |= {"backup_code": kit.backup_code, **({"recovery_code": code} if code else {})}
    where = f"The kit is in {file}: print it, and remove the file. " if file else ""
    out.result(value, f"{where}{'The new recovery code counts; older kits do not work any more.' if renew else ''}")


def _check_kit(out: Output, file: Path) -> None:
    """Say whether a kit's recovery code opens the account's data as the Hive keeps it now. Raises KitOutdated."""
    from mosaic.cli.hive_backup.kit import read_recovery_code

    with connected() as hive:
        present = _present_keys(hive.get("/api/account", Account))
    try:
        unwrap.recover_root(present, read_recovery_code(file))
    except unwrap.RecoveryCodeWrong:
        raise KitOutdated(file) from None
    out.result({"counts": True}, "This recovery code counts.")


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
