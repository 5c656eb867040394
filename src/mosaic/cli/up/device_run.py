"""`mosaic device run`: join when needed, then keep a storage daemon and a Device running."""

import re
import shutil
import socket
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from mosaic.cli.up import device_contained, device_words, lock, own_engine, pool_size, preflight, run, settings
from mosaic.cli.up.device_words import Asked, ByOwner, Given, InFile, Source, Words
from mosaic.cli.up.layout import DEFAULT_STATE, Layout
from mosaic.cli.up.pool_size import Pool
from mosaic.cli.up.settings import Settings
from mosaic.cli.up.targets import Targets

if TYPE_CHECKING:
    from mosaic.wire.account import OwnerAdmission
    from mosaic.wire.enrol import JoinToken

_LONGEST_DRIVER = 40
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Joining:
    """How to join a Hive at the first start: what was typed, and what the environment said (an option counts more)."""

    name: str | None
    token: str | None = field(repr=False)
    passphrase_file: Path | None
    anew: bool = False
    words: Words = field(default_factory=Words)


def run_device(
    layout: Layout,
    joining: Joining,
    *,
    driver: str | None,
    pool: Pool,
    targets: Targets,
    has_own_engine: bool = False,
) -> None:
    """Run until Ctrl-C or SIGTERM. The storage daemon of a run that was killed is taken over.

    Joining comes before anything is started: a wrong passphrase ends this with nothing begun, and the token good.
    """

    def change(kept: Settings, name: str) -> Settings:
        return replace(
            pool.over(kept),
            name=name,
            driver=driver or (kept.driver if layout.settings.exists() else driver_name(layout, name)),
            trusted=tuple(map(str, targets.trusted)) or kept.trusted,
            hardware=targets.hardware or kept.hardware,
            group=targets.group or kept.group,
            own_engine=has_own_engine or kept.own_engine,
        )

    kept_before = settings.load(layout.settings)
    if device_contained.is_contained():
        if pool.folder is not None or kept_before.pool is not None:
            raise device_contained.PoolInContainer(layout.state)
        pool_size.check(layout, kept_before, pool.over(kept_before))
        named = joining.name or joining.words.name

        def join(name: str) -> None:
            _join_contained(layout, replace(joining, name=name), has_own_engine=has_own_engine)

        return device_contained.run_contained(layout, named, change, join)
    pool_size.check(layout, kept_before, pool.over(kept_before))
    if has_own_engine:
        own_engine.check(layout, kept_before)
    preflight.check(layout.state)
    is_locked = layout.state.exists()
    if is_locked:
        lock.take(layout.lock)
    joined = None
    if _has_yet_to_join_anew(layout, joining):
        joined = _join_anew(layout, joining)
    elif not layout.identity.exists():
        joined = _join(layout, joining)
    layout.make()
    if not is_locked:
        lock.take(layout.lock)
    kept = settings.load(layout.settings)
    # What the Hive calls it, for a join token may have its own name.
    chosen = change(kept, joined or joining.name or joining.words.name or kept.name or _host_name())
    settings.save(layout.settings, chosen)
    return run.device(layout, chosen)


def driver_name(layout: Layout, name: str) -> str:
    """Return a volume driver's name of this Device's own: several Devices may share an engine."""
    if layout.state == DEFAULT_STATE:
        return Settings().driver
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "device"
    return f"mosaic-{plain}"[:_LONGEST_DRIVER]


def _join_contained(layout: Layout, joining: Joining, *, has_own_engine: bool) -> None:
    """Join where a Device in a container has not joined, or shall join anew. Raises NotJoined, EngineFixed."""
    kept = settings.load(layout.settings)
    if has_own_engine:
        own_engine.check(layout, kept)
    if (has_own_engine or kept.own_engine) and not own_engine.is_ready(layout):
        # Before a token is used: without the image nothing could be started.
        own_engine.have_image()
    if layout.identity.exists():
        # One that upgraded itself is started by the same words without the token.
        if _line(joining) is not None and _has_yet_to_join_anew(layout, joining):
            _join_anew(layout, joining)
        return
    if _line(joining) is None:
        raise device_contained.NotJoined(layout.state)
    _join(layout, joining)


def _has_yet_to_join_anew(layout: Layout, joining: Joining) -> bool:
    """Whether a new identity was asked for that this folder has not got yet: a container is started again and again."""
    from mosaic.crypto.tokens import hash_token
    from mosaic.device import identity

    line = _line(joining)
    if not joining.anew or not layout.identity.exists() or line in (None, "-"):
        return joining.anew and layout.identity.exists()
    try:
        joined_by = identity.load(layout.identity).joined_by
    except identity.IdentityUnreadable:
        return True
    return joined_by != hash_token(_given_token(line).secret)


def _line(joining: Joining) -> str | None:
    """Return the join token's line, None where none was given."""
    return joining.token or joining.words.token


def _join_anew(layout: Layout, joining: Joining) -> str:
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
        return _join(layout, joining)
    except BaseException:  # Ctrl-C as well: without its old identity the Device could never come back
        if (layout.device / draft).exists():
            (layout.device / draft).rename(kept / draft)
        shutil.rmtree(layout.device, ignore_errors=True)
        kept.rename(layout.device)
        raise


def _join(layout: Layout, joining: Joining) -> str:
    """Join, and return the name that the Hive took."""
    name = joining.name or joining.words.name or _host_name()
    line = _line(joining)
    if line is None:
        file = joining.passphrase_file or joining.words.passphrase_file
        token, admission, passphrase = _own_token(name, file)
        return _enrolled(layout, token, name, passphrase, admission)
    return _join_by(layout, _given_token(line), name, joining)


def _join_by(layout: Layout, token: "JoinToken", name: str, joining: Joining) -> str:
    """Join by a token that was made elsewhere. Who is asked for the passphrase may mistype it twice."""
    from mosaic.device.enrol import PassphraseDiffers

    source = device_words.source(
        joining.words,
        option=joining.passphrase_file,
        is_mounted=device_words.SECRET_MOUNT.exists(),
        is_terminal=sys.stdin.isatty(),
    )
    tries = _TRIES if isinstance(source, Asked) else 1
    while True:
        try:
            return _enrolled(layout, token, name, _passphrase_if_any(source))
        except PassphraseDiffers as differs:
            tries -= 1
            if tries == 0:
                raise
            run.tell(f"{differs.message}; check the words and their order")


def _enrolled(
    layout: Layout, token: "JoinToken", name: str, passphrase: str | None, admission: "OwnerAdmission | None" = None
) -> str:
    from mosaic.cli import known_devices
    from mosaic.crypto.device_keys import fingerprint
    from mosaic.device.enrol import enrol

    layout.make()
    joined = enrol(layout.device, token, name, passphrase=passphrase, admission=admission)
    if admission is not None:
        # By this machine's own login: its command line has seen the keys.
        known_devices.remember(joined.account, joined.keys)
    if joined.root_key is None:
        run.tell(
            f"{joined.name} waits for its owner: `mosaic device admit {joined.name}`, or the Console. "
            f"Its fingerprint is {fingerprint(joined.keys)}"
        )
    return joined.name


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


def _passphrase_if_any(source: Source) -> str | None:
    """Return the passphrase; None leaves the root key to the owner's admission."""
    match source:
        case Given(passphrase):
            return passphrase
        case InFile(file):
            return device_words.read_passphrase(file)
        case Asked():
            from mosaic.cli import asking

            return asking.secret_if_any("Passphrase of the account (empty: its owner admits this Device)")
        case ByOwner():
            return None
        case _ as unreachable:
            assert_never(unreachable)


def _host_name() -> str:
    return socket.gethostname().split(".")[0] or "device"
