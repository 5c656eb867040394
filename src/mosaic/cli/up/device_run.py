"""`mosaic device run`: join when needed, then keep a storage daemon and a Device running."""

import os
import re
import shutil
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.cli.up import lock, preflight, run, settings
from mosaic.cli.up.layout import DEFAULT_STATE, Layout
from mosaic.cli.up.settings import Settings

if TYPE_CHECKING:
    from mosaic.wire.account import OwnerAdmission
    from mosaic.wire.enrol import JoinToken

_LONGEST_DRIVER = 40


@dataclass(frozen=True, slots=True)
class Joining:
    """How to join a Hive at the first start."""

    name: str | None
    token: str | None
    passphrase_file: Path | None
    anew: bool = False


def run_device(layout: Layout, joining: Joining, *, driver: str | None, pool: Path | None) -> None:
    """Run until Ctrl-C or SIGTERM. The storage daemon of a run that was killed is taken over."""
    # The token works once, and no child needs it.
    os.environ.pop("MOSAIC_JOIN", None)
    preflight.check(layout.state)
    is_locked = layout.state.exists()
    if is_locked:
        lock.take(layout.lock)
    if joining.anew and layout.identity.exists():
        _join_anew(layout, joining)
    elif not layout.identity.exists():
        _join(layout, joining)
    layout.make()
    if not is_locked:
        lock.take(layout.lock)
    kept = settings.load(layout.settings)
    name = joining.name or kept.name or _host_name()
    chosen = replace(
        kept,
        name=name,
        driver=driver or (kept.driver if layout.settings.exists() else driver_name(layout, name)),
        pool=str(pool) if pool else kept.pool,
    )
    settings.save(layout.settings, chosen)
    run.device(layout, chosen)


def driver_name(layout: Layout, name: str) -> str:
    """Return a volume driver's name of this Device's own: several Devices may share an engine."""
    if layout.state == DEFAULT_STATE:
        return Settings().driver
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "device"
    return f"mosaic-{plain}"[:_LONGEST_DRIVER]


def _join_anew(layout: Layout, joining: Joining) -> None:
    """Join as another Device, and keep what belonged to the identity that this machine shares with a clone.

    The storage daemon stays as it is: it sets aside whatever the new Device was not granted.
    """
    number = sum(1 for _ in layout.state.glob("device.before-*")) + 1
    kept = layout.state / f"device.before-{number}"
    layout.device.rename(kept)
    # The keys of a join whose answer never came: with others the Hive would see a second Device, and the token used.
    draft = Path("identity.joining")
    try:
        layout.make()
        if (kept / draft).exists():
            (kept / draft).rename(layout.device / draft)
        _join(layout, joining)
    except BaseException:  # Ctrl-C as well: without its old identity the Device could never come back
        if (layout.device / draft).exists():
            (layout.device / draft).rename(kept / draft)
        shutil.rmtree(layout.device, ignore_errors=True)
        kept.rename(layout.device)
        raise


def _join(layout: Layout, joining: Joining) -> None:
    from mosaic.device.enrol import enrol

    name = joining.name or _host_name()
    if joining.token is not None:
        token, admission = _given_token(joining.token), None
        passphrase = _passphrase_if_any(joining.passphrase_file)
    else:
        token, admission, passphrase = _own_token(name, joining.passphrase_file)
    layout.make()
    enrol(layout.device, token, name, passphrase=passphrase, admission=admission)


def _given_token(line: str) -> "JoinToken":
    from mosaic.wire import enrol

    return enrol.read(sys.stdin.readline() if line == "-" else line)


def _own_token(name: str, passphrase_file: Path | None) -> "tuple[JoinToken, OwnerAdmission | None, str]":
    """Make a token by this machine's login, with the owner's admission in it."""
    from mosaic.cli import credentials
    from mosaic.cli.connection import connected
    from mosaic.cli.joining import new_join_token
    from mosaic.cli.unlocking import unlock

    with connected() as hive:
        opened, passphrase = unlock(hive, passphrase_file)
        token, admission = new_join_token(hive, credentials.load(), opened, name=name)
    return token, admission, passphrase


def _passphrase_if_any(file: Path | None) -> str | None:
    """Return the passphrase from a file or the terminal; None leaves the root key to the owner's admission."""
    from mosaic.cli import asking

    if file is None and not sys.stdin.isatty():
        return None
    typed = asking.secret("passphrase (empty to be admitted by the owner)", file=file, option="--passphrase-file")
    return typed or None


def _host_name() -> str:
    return socket.gethostname().split(".")[0] or "device"
