"""`mosaic login`, `logout`, `whoami`: which Hive this machine's command line talks to."""

import contextlib
import socket
from pathlib import Path

import click

from mosaic.adapters import api_client
from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, credentials
from mosaic.cli.connection import client_of, connected
from mosaic.cli.credentials import Credentials
from mosaic.cli.output import Output, json_option
from mosaic.core.errors import MosaicError, Refused
from mosaic.wire.api import Account, LoggedIn, Login


class FingerprintUnconfirmed(Refused):
    """Nobody confirmed that this is the right Hive."""

    code = "fingerprint-unconfirmed"

    def __init__(self, fingerprint: str) -> None:
        super().__init__(
            f"nobody confirmed the Hive's fingerprint {fingerprint}",
            hint="compare it with `mosaic whoami` on the Hive's machine, then pass `--fingerprint`",
        )


@click.command()
@click.argument("url")
@click.option("--name", help="The account's name.", prompt=True)
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read it here.")
@click.option("--fingerprint", help="The SHA-256 of the Hive's key, as `mosaic whoami` prints it.")
@json_option
def login(out: Output, url: str, name: str, password_file: Path | None, fingerprint: str | None) -> None:
    """Log in to the Hive at URL and pin its key."""
    identity = api_client.read_untrusted_identity(url)
    found = api_client.fingerprint(identity.key)
    _confirm(found, fingerprint, on_this_machine=url.startswith("http://"))
    password = asking.secret("password", file=password_file, option="--password-file")
    with HiveClient(url, ca_pem=identity.ca_pem) as hive:
        made = hive.send("POST", "/api/login", Login(name, password, label=socket.gethostname()), LoggedIn)
    known = Credentials(url.rstrip("/"), made.token, made.account, made.name, identity.key, identity.ca_pem)
    credentials.save(known)
    value = {"url": known.url, "name": made.name, "account": made.account, "fingerprint": found}
    out.result(value, f"Logged in to {known.url} as {made.name}.")


@click.command()
@json_option
def logout(out: Output) -> None:
    """Forget the login here, and at the Hive when it answers."""
    known = credentials.load()
    ended = False
    with contextlib.suppress(MosaicError), client_of(known) as hive:
        hive.order("POST", "/api/logout")
        ended = True
    credentials.forget()
    remark = "" if ended else " The Hive did not answer, so the token is still good there."
    out.result({"url": known.url, "ended_at_hive": ended}, f"Logged out of {known.url}.{remark}")


@click.command()
@json_option
def whoami(out: Output) -> None:
    """Say which Hive and account this machine's command line uses."""
    known = credentials.load()
    with connected() as hive:
        account = hive.get("/api/account", Account)
    fingerprint = api_client.fingerprint(known.hive_key)
    value = {
        "url": known.url,
        "name": account.name,
        "account": account.account,
        "has_passphrase": account.keys is not None,
        "fingerprint": fingerprint,
    }
    passphrase = "set" if account.keys else "not set; `mosaic passphrase set`"
    out.result(
        value,
        f"{account.name} at {known.url}\nHive's fingerprint: {fingerprint}\nPassphrase: {passphrase}",
    )


def _confirm(found: str, expected: str | None, *, on_this_machine: bool) -> None:
    if expected is not None:
        if expected.replace(":", "").strip().lower() != found:
            raise FingerprintUnconfirmed(found)
        return
    # Plain HTTP is loopback only, and who owns loopback here owns this account's files as well.
    if on_this_machine:
        return
    if not asking.agree(f"The Hive's fingerprint is {found}. Is it this one?", yes=False):
        raise FingerprintUnconfirmed(found)
