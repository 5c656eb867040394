"""`mosaic device add`: a join token, and what to paste on the machine that uses it.

Puts the values into the same texts as the Console's page does (`core.device_texts`).
"""

from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters import api_client
from mosaic.cli import credentials, known_devices
from mosaic.cli.connection import connected
from mosaic.cli.joining import new_join_token
from mosaic.cli.output import Output
from mosaic.cli.unlocking import unlock
from mosaic.cli.up import settings
from mosaic.cli.up.layout import Layout, state_folder
from mosaic.cli.up.notices import NothingHere
from mosaic.core import device_texts, quoting
from mosaic.core.device_texts import Form, Giving
from mosaic.core.quoting import ValueUnpastable, is_pastable
from mosaic.crypto.passphrase import normalise
from mosaic.wire import enrol as join_tokens
from mosaic.wire.enrol import DeviceImage

_SECONDS = 900
_WHAT_TO_DO: dict[Form, str] = {
    "docker": "Paste this on the new machine, as root",
    "compose": "Save this on the new machine as compose.yaml, for root alone, and run `docker compose up --detach`",
    "systemd": "Paste this on the new machine, as root",
    "command": "Run this on the new machine, as root",
}
_THEN: dict[Giving, str] = {
    "asked": "The Device asks for the passphrase there.",
    "file": f"It reads the passphrase from {device_texts.PASSPHRASE_AT} there: write it first, for root alone.",
    "line": "The passphrase is in it, so it opens all your data: treat it as a secret. Shells write a history, and "
    "whoever may ask that machine's engine can read it.",
    "owner": "Then let it in: `mosaic device admit NAME`.",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; `image` None is what the Hive names, `url` None how others reach the Hive.

    `own_engine` is isolated mode.
    """

    name: str
    form: Form
    giving: Giving
    url: str | None
    image: str | None
    passphrase_file: Path | None
    own_engine: bool = False


def add(out: Output, wish: Wish) -> None:
    """Print what starts a Device on another machine. But for `owner`, the owner's admission is given now."""
    if not is_pastable(wish.name):
        raise ValueUnpastable("the name")
    with connected() as hive:
        image = wish.image or (hive.get("/api/device-image", DeviceImage).image if wish.form != "command" else "")
        # Before a token is made: not every form can ask.
        found = device_texts.text(wish.form, wish.giving, image, own_engine=wish.own_engine)
        opened, passphrase = (None, "") if wish.giving == "owner" else unlock(hive, wish.passphrase_file)
        in_line = normalise(passphrase) if wish.giving == "line" else None
        if in_line is not None and not is_pastable(in_line):
            raise ValueUnpastable("the passphrase")
        known = credentials.load()
        where = wish.url or api_client.read_untrusted_identity(known.url).public_url or known.url
        token, _ = new_join_token(hive, known, opened, name=wish.name, url=where)
    line = join_tokens.write(token)
    values = {"token": line, "name": wish.name or None, "passphrase": in_line}
    filled = quoting.fill(found.text, values, found.quote_with)
    then = _THEN[wish.giving]
    if api_client.is_loopback(where):
        then += f"\nOnly this machine reaches the Hive at {where}. {device_texts.SERVE_FIRST}"
    # Most shells keep a line that begins with a space out of their history.
    shown = f" {filled}" if found.quote == "shell" else filled
    out.result(
        {"join_token": line, "command": filled, "as": wish.form, "seconds": _SECONDS},
        f"{_WHAT_TO_DO[wish.form]}, within {_SECONDS // 60} minutes. It works once:\n\n{shown}\n\n{then}",
    )


def add_here(out: Output, name: str, state: Path | None, passphrase_file: Path | None) -> None:
    """Make the machine of a running `mosaic up` a Device; it notices by itself."""
    from mosaic.device.enrol import enrol

    layout = Layout(state_folder(state))
    if not layout.settings.exists():
        raise NothingHere(layout.state)
    called = name or settings.load(layout.settings).name or "device"
    with connected() as hive:
        opened, passphrase = unlock(hive, passphrase_file)
        token, admission = new_join_token(hive, credentials.load(), opened, name=called)
    identity = enrol(layout.device, token, called, passphrase=passphrase, admission=admission)
    known_devices.remember(identity.account, identity.keys)
    out.result({"device": identity.device, "name": identity.name}, f"This machine is the Device {identity.name} now.")
