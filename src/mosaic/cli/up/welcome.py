"""What happens between 'the Hive answers' and 'open this address'.

Runs in a process of its own beside the supervisor. At the first start with
`--demo` it makes the account, lets this machine's Device in and installs the
sample app; at any other start it says where everything is. Safe to kill and
run again: each part looks first whether it has been done.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import click

from mosaic.adapters import api_client
from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, credentials, known_devices, verdict
from mosaic.cli.connection import client_of
from mosaic.cli.credentials import Credentials
from mosaic.cli.follow import follow
from mosaic.cli.joining import new_join_token
from mosaic.cli.output import is_watched, to_json
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.notices import apps_and_next, console_line, console_only, secrets_notice
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.crypto import account as keys
from mosaic.crypto import passphrase as words
from mosaic.crypto.password import generate_password
from mosaic.wire.api import CatalogApp, Device, Install, Installation, LoggedIn, Setup, SetupState

SAMPLE = "notes"
ACCOUNT = "owner"
_HIVE_SECONDS = 60.0
_DEVICE_SECONDS = 60.0
_APPS_SECONDS = 90.0
_LOOK_SECONDS = 0.2


class DeviceAbsent(Unavailable):
    """This machine's Device did not connect."""

    code = "device-absent"

    def __init__(self, log: Path) -> None:
        super().__init__(
            f"this machine's Device has not connected within {_DEVICE_SECONDS:g} s",
            hint=f"read {log}, then run `mosaic doctor`",
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """How `mosaic up` was called. `terminal` is where secrets are shown, None when there is none.

    `by_systemd`: units run everything, and no process of this terminal.
    """

    name: str
    demo: bool
    password_file: Path | None
    passphrase_file: Path | None
    as_json: bool
    terminal: str | None
    by_systemd: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """Shown once, kept nowhere."""

    password: str
    passphrase: str
    recovery_code: str

    def __repr__(self) -> str:
        return "Secrets(…)"


def welcome(layout: Layout, wish: Wish) -> None:
    """Set up what is missing, wait until it runs, and print where it is."""
    began_ns = time.time_ns()
    url = _address(layout)
    shown = None
    with HiveClient(url, ca_pem=api_client.read_untrusted_identity(url).ca_pem) as hive:
        needs_account = hive.get("/api/setup", SetupState).needed
    if needs_account and not wish.demo:
        code = layout.setup_code.read_text().strip()
        return _print(wish, console_only(url, code), {"console": url, "setup_code": code})
    if needs_account:
        shown = _make_account(layout, url, wish)
    known = _known(url)
    if known is None or not layout.identity.exists():
        return _print(wish, console_only(url, None), {"console": url})
    if not wish.as_json:
        # At once: the Console answers already, the apps may take a moment to start.
        click.echo(console_line(url, known.name))
    with client_of(known) as hive:
        device = _device_connected(hive, layout, began_ns)
        if shown is not None:
            _install_sample(hive, device)
        apps = _apps_running(hive, device)
    value = {"console": url, "apps": [{"name": app.name, "addresses": _addresses(app)} for app in apps]}
    if shown is not None:
        value |= {"account": known.name, "password": shown.password, "passphrase": shown.passphrase}
        value |= {"recovery_code": shown.recovery_code}
    return _print(wish, apps_and_next(apps, by_systemd=wish.by_systemd), value)


def _make_account(layout: Layout, url: str, wish: Wish) -> Secrets:
    identity = api_client.read_untrusted_identity(url)
    secrets = _secrets(wish)
    made = keys.make(secrets.passphrase)
    secrets = Secrets(secrets.password, secrets.passphrase, made.recovery_code)
    # Shown before the Hive is told: a kill in between costs nothing, the other way round it would cost the account.
    show_secrets(secrets, wish)
    setup = Setup(layout.setup_code.read_text().strip(), ACCOUNT, secrets.password, made.new)
    with HiveClient(url, ca_pem=identity.ca_pem) as hive:
        logged_in = hive.send("POST", "/api/setup", setup, LoggedIn)
    known = Credentials(url, logged_in.token, logged_in.account, logged_in.name, identity.key, identity.ca_pem)
    credentials.save(known)
    with client_of(known) as hive:
        token, admission = new_join_token(hive, known, made.opened, name=wish.name)
    from mosaic.device.enrol import enrol

    joined = enrol(layout.device, token, wish.name, passphrase=secrets.passphrase, admission=admission)
    known_devices.remember(joined.account, joined.keys)
    return secrets


def _secrets(wish: Wish) -> Secrets:
    if wish.password_file is None:
        password = generate_password()
    else:
        password = asking.secret("password", file=wish.password_file, option="--password-file")
    if wish.passphrase_file is None:
        return Secrets(password, words.generate(), "")
    passphrase = asking.secret("passphrase", file=wish.passphrase_file, option="--passphrase-file")
    words.check_strength(passphrase)
    return Secrets(password, passphrase, "")


def show_secrets(secrets: Secrets, wish: Wish) -> None:
    """Show the secrets on the terminal, past any redirection into a log.

    Where there is none, on stdout; with `--json`, whose result comes too late, on stderr.
    """
    notice = secrets_notice(
        ACCOUNT,
        password=secrets.password if wish.password_file is None else None,
        passphrase=secrets.passphrase if wish.passphrase_file is None else None,
        recovery_code=secrets.recovery_code,
    )
    if wish.terminal is None:
        click.echo(notice, err=wish.as_json)
        return
    with Path(wish.terminal).open("w") as terminal:
        terminal.write(notice + "\n")


def _address(layout: Layout) -> str:
    """Return where this machine reaches the Hive, once it says so."""
    _until(lambda: layout.address.exists(), _HIVE_SECONDS)
    return layout.address.read_text().strip()


def _known(url: str) -> Credentials | None:
    try:
        known = credentials.load()
    except MosaicError:
        return None
    return known if known.url == url else None


def _device_connected(hive: HiveClient, layout: Layout, since_ns: int) -> str:
    """Return the id of this machine's Device once it has reported: what it said before this start is old."""
    from mosaic.device import identity

    ours = identity.load(layout.identity).device

    def is_connected() -> bool:
        devices = hive.get("/api/devices", list[Device])
        return any(one.device == ours and one.connected and (one.last_report_ns or 0) > since_ns for one in devices)

    if not _until(is_connected, _DEVICE_SECONDS):
        raise DeviceAbsent(layout.log("device"))
    return ours


def _install_sample(hive: HiveClient, device: str) -> None:
    apps = {app.app: app for app in hive.get("/api/catalog", list[CatalogApp])}
    if SAMPLE not in apps:
        click.echo(f"The catalog has no {SAMPLE}; name a folder of apps with `--catalog`.", err=True)
        return
    made = hive.send("POST", "/api/installations", Install(SAMPLE, device=device), Installation)
    if is_watched():
        click.echo(f"Installing {SAMPLE}…", err=True)
    follow(hive, made.installation, verdict.running)


def _apps_running(hive: HiveClient, device: str) -> list[Installation]:
    """Return this Device's installations once those that should run do. What does not come up is shown as it is."""
    found: list[Installation] = []

    def are_running() -> bool:
        found[:] = [one for one in hive.get("/api/installations", list[Installation]) if one.device == device]
        return all(one.wanted == "stop" or verdict.running(one).state == "done" for one in found)

    _until(are_running, _APPS_SECONDS)
    return found


def _addresses(installation: Installation) -> list[str]:
    report = verdict.holder_report(installation)
    return verdict.address(report) if report is not None else []


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it is so, or the time is over. A Hive that is silent for a moment is asked again."""
    deadline = time.monotonic() + seconds
    pause = Event()
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except Unavailable:
            pass
        pause.wait(_LOOK_SECONDS)
    return False


def _print(wish: Wish, text: str, value: object) -> None:
    click.echo(to_json(value) if wish.as_json else text)
