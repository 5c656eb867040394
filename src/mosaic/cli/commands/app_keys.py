"""`mosaic app keys`: the keys that sign Targets, made once and changed in a ceremony."""

import re
from dataclasses import fields, replace
from pathlib import Path

import click
import msgspec

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.ceremony import Quorum
from mosaic.adapters.trust.key_folder import open_signing_key
from mosaic.adapters.trust.periods_file import LEAST_SECONDS, MOST_DAYS, MOST_SECONDS, keep_periods
from mosaic.adapters.trust.repository import Repository
from mosaic.adapters.trust.standing import RoleStanding, standing, warnings
from mosaic.cli.output import Output, json_option
from mosaic.cli.signing_keys import signs_every_day, signs_with_all
from mosaic.core.expiry import DAY_SECONDS, Periods
from mosaic.core.target import instant
from mosaic.crypto import pem_keys
from mosaic.crypto.signing import public_key

_PERIOD = re.compile(r"([0-9]{1,6})([hd])", re.ASCII)


class Ceremony(msgspec.Struct, frozen=True):
    """What a ceremony did. `root` is the file that Devices are to trust."""

    did: str
    root: str


class PublicKey(msgspec.Struct, frozen=True):
    """An Ed25519 public key as PEM."""

    public_key: str


@click.group()
def keys() -> None:
    """Make, renew and change the keys that sign Targets."""


@keys.command("init")
@signs_with_all
@click.option(
    "--channel", "channels", multiple=True, default=("stable",), show_default=True, help="A channel to begin with."
)
@click.option("--root-keys", default=1, show_default=True, help="How many root keys to make.")
@click.option("--threshold", default=1, show_default=True, help="How many of them must sign a new root.")
@json_option
def init(out: Output, repository: Repository, channels: tuple[str, ...], root_keys: int, threshold: int) -> None:
    """Make all keys and an empty repository.

    Put the folder of the offline keys away afterwards: publishing does not
    need it, and whoever has it can publish as you.
    """
    quorum = Quorum(root_keys, threshold)
    ceremony.create(repository, channels=channels, now_ns=SystemClock().wall_ns(), root=quorum)
    root = str(repository.files.folder / "metadata" / "1.root.json")
    done = Ceremony("init", root)
    out.result(done, f"The repository is made. Devices are to trust {root}.\nPut the offline keys where no network is.")


@keys.command()
@signs_with_all
@click.argument("role")
@json_option
def rotate(out: Output, repository: Repository, role: str) -> None:
    """Put new keys in place of all of ROLE's: root, targets, snapshot, timestamp or channel-NAME.

    What the older ones sign counts no more. After a theft of a machine that
    publishes rotate its channels, snapshot and timestamp.
    """
    ceremony.rotate(repository, role, now_ns=SystemClock().wall_ns())
    out.result(
        Ceremony(f"rotate {role}", str(repository.files.folder)), f"{role} has new keys; serve the folder again."
    )


@keys.command()
@signs_with_all
@click.argument("role")
@click.option("--threshold", type=int, help="How many must sign from then on; one more than now, if not given.")
@json_option
def add(out: Output, repository: Repository, role: str, threshold: int | None) -> None:
    """Add a key to ROLE, or a new channel: channel-NAME."""
    now_ns = SystemClock().wall_ns()
    if role.startswith("channel-") and role not in repository.edition().channels:
        ceremony.add_channel(repository, role.removeprefix("channel-"), now_ns=now_ns)
    else:
        ceremony.add_key(repository, role, now_ns=now_ns, threshold=threshold)
    out.result(Ceremony(f"add {role}", str(repository.files.folder)), f"{role} has one more key.")


@keys.command()
@signs_with_all
@click.argument("role")
@json_option
def renew(out: Output, repository: Repository, role: str) -> None:
    """Sign ROLE again, unchanged, before it expires."""
    ceremony.renew(repository, role, now_ns=SystemClock().wall_ns())
    out.result(Ceremony(f"renew {role}", str(repository.files.folder)), f"{role} is signed again.")


@keys.command()
@signs_every_day
@json_option
def refresh(out: Output, repository: Repository) -> None:
    """Sign again what a machine signs, before it expires: run it every day."""
    publishing.refresh(repository, now_ns=SystemClock().wall_ns())
    _show(out, repository)


@keys.command()
@signs_every_day
@json_option
def status(out: Output, repository: Repository) -> None:
    """Say what expires when, and which keys are here."""
    _show(out, repository)


def _period(_: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Return seconds; None when the option was not given."""
    if text is None:
        return None
    found = _PERIOD.fullmatch(text)
    seconds = int(found[1]) * (DAY_SECONDS if found[2] == "d" else 3600) if found else 0
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise click.BadParameter(f"give hours or days, from 1h to {MOST_DAYS}d", param=option)
    return seconds


@keys.command()
@signs_every_day
@click.option("--root", callback=_period, help="How long a root is good for: 365d.")
@click.option("--targets", callback=_period, help="The list of channels.")
@click.option("--channel", callback=_period, help="What each channel says.")
@click.option("--snapshot", callback=_period, help="The list of all of these.")
@click.option("--timestamp", callback=_period, help="What says which state is the newest.")
@json_option
def periods(out: Output, repository: Repository, /, **given: int | None) -> None:
    """Show for how long what is signed is good, or change it from now on.

    What is signed already keeps its time; the timestamp is signed again at
    once, the others when they are due or with `mosaic app keys renew`. A file
    that carries apps to where no network is is good as long as its timestamp.
    """
    chosen = {name: seconds for name, seconds in given.items() if seconds is not None}
    changed = replace(repository, periods=replace(repository.periods, **chosen))
    if chosen:
        # The keys are opened first: without them nothing would follow from what is written.
        publishing.refresh(changed, now_ns=SystemClock().wall_ns())
        keep_periods(repository.online, changed.periods)
    told = [(one.name, getattr(changed.periods, one.name)) for one in fields(Periods)]
    rows = [[name, f"{seconds / DAY_SECONDS:g} days"] for name, seconds in told]
    out.table(changed.periods, ["ROLE", "GOOD FOR"], rows, empty="There is no role.")


@keys.command()
@click.argument("key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def public(out: Output, key: Path) -> None:
    """Print the public key of the file KEY: what checks the signatures of `mosaic app publish --sign`."""
    text = pem_keys.written(public_key(open_signing_key(key).reveal()))
    out.result(PublicKey(text), text.rstrip("\n"))


def _show(out: Output, repository: Repository) -> None:
    found = standing(repository, now_ns=SystemClock().wall_ns())
    rows = [[one.role, str(one.version), instant(one.expires_at), one.freshness, _keys(one)] for one in found]
    out.table(found, ["ROLE", "VERSION", "EXPIRES", "", "KEYS"], rows, empty="There is no role.")
    for sentence in warnings(found):
        click.echo(f"warning: {sentence}", err=True)


def _keys(one: RoleStanding) -> str:
    return f"{one.at_hand} of {one.keys} here, {one.threshold} must sign"
