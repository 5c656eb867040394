"""`mosaic device add`: a join token, and the command line that uses it."""

import shlex
from pathlib import Path

from mosaic.adapters import api_client
from mosaic.cli import credentials
from mosaic.cli.connection import connected
from mosaic.cli.joining import new_join_token
from mosaic.cli.output import Output
from mosaic.cli.unlocking import unlock
from mosaic.cli.up import settings
from mosaic.cli.up.layout import Layout, state_folder
from mosaic.cli.up.notices import NothingHere
from mosaic.wire import enrol as join_tokens


def add(out: Output, name: str, *, url: str | None, admitted: bool, passphrase_file: Path | None) -> None:
    """Print a command line for another machine. With `admitted` the owner's admission is given now."""
    with connected() as hive:
        opened = unlock(hive, passphrase_file)[0] if admitted else None
        known = credentials.load()
        where = url or api_client.read_untrusted_identity(known.url).public_url or known.url
        token, _ = new_join_token(hive, known, opened, name=name, url=where)
    line = join_tokens.write(token)
    words = ["mosaic", "device", "run", *(["--name", name] if name else [])]
    # In the environment and not in argv, which everybody on that machine can read.
    command = f"MOSAIC_JOIN={shlex.quote(line)} {shlex.join(words)}"
    then = "" if admitted else "\nThen let it in: `mosaic device admit NAME`."
    if api_client.is_loopback(where):
        then += (
            f"\nOnly this machine reaches the Hive at {where}. For another one, serve it on the network first: "
            "`mosaic up --listen 0.0.0.0 --url https://NAME:8930`."
        )
    out.result(
        {"join_token": line, "command": command, "seconds": 900},
        f"Run this on the new machine, as root, within 15 minutes. It works once:\n\n  {command}\n{then}",
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
    out.result({"device": identity.device, "name": identity.name}, f"This machine is the Device {identity.name} now.")
