"""`mosaic app watch`: publish each new commit of a branch."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.doorbell import Doorbell
from mosaic.adapters.git_checkout import check_out
from mosaic.adapters.signals import woken_by
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.repository import Repository
from mosaic.adapters.trust.standing import standing
from mosaic.adapters.web_hook import heard_at
from mosaic.cli.commands.app_publish import publish
from mosaic.cli.output import Output, json_option
from mosaic.cli.signing_keys import opened_every_day
from mosaic.core.errors import Refused
from mosaic.core.expiry import is_due
from mosaic.crypto.secret import Secret
from mosaic.packager.watching import Turn, Watch

_SHORTEST_SECRET = 16
_LARGEST_PORT = 65535


class HookSecretUnusable(Refused):
    """The secret of a hook would keep nobody out."""

    code = "hook-secret-unusable"

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} {reason}",
            hint=f"`openssl rand -hex 32` makes a secret; put it there alone, and `chmod 600 {file}`",
        )


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("repository")
@click.option("--branch", default="main", show_default=True, help="The branch whose commits are published.")
@click.option("--every", "every_seconds", default=60.0, show_default=True, help="Seconds between two looks.")
@click.option("--listen", help="Where a forge says that something was pushed: 127.0.0.1:8477. Looks go on besides.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the secret that the forge signs its hooks with.",
)
@click.option("--once", is_flag=True, help="Look once and end: for a hook, or a timer.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A folder for the checkout, which is this command's own.",
)
@click.argument("publishing_options", nargs=-1, type=click.UNPROCESSED)
@json_option
def watch(
    out: Output,
    repository: str,
    branch: str,
    every_seconds: float,
    listen: str | None,
    secret_file: Path | None,
    once: bool,
    state: Path,
    publishing_options: tuple[str, ...],
) -> None:
    """Publish each new commit of a branch of REPOSITORY, an address or a path that git can fetch from.

    What stands behind -- is given to `mosaic app publish`, which needs at least a registry, a repository of Targets
    and its keys. Ctrl-C ends it; --once ends with 1 when the commit could not be published.

    With --listen it also looks when a web hook comes, which is believed nothing but that it is time to look.
    """
    where = _hook(listen, secret_file, once)
    state.mkdir(parents=True, exist_ok=True)
    checkout = state / "checkout"
    words = [*publishing_options, *(["--json"] if out.as_json else []), str(checkout)]
    # Read once, so that a misspelled option is said now and not with the first commit.
    with publish.make_context("mosaic app publish", [*publishing_options, str(state)]) as ready:
        repo, keys = ready.params["repo"], ready.params["keys"]
    watched = Watch(
        look=lambda: check_out(repository, branch, checkout).hash,
        publish=lambda: publish.main(words, standalone_mode=False),
        refresh=lambda: _refresh(opened_every_day(repo, keys), SystemClock().wall_ns()),
    )
    with woken_by(signal.SIGTERM, signal.SIGINT) as told, Doorbell() as bell, _heard(where, bell):
        while True:
            bell.look()
            turn = watched.turn()
            if once:
                break
            _tell(out, turn)
            if not bell.wait(told, every_seconds):
                return
    if turn.problem is not None:
        raise turn.problem


def _hook(listen: str | None, secret_file: Path | None, once: bool) -> tuple[str, int, Secret] | None:
    """Return where hooks are heard and what they are signed with; None when they are not."""
    if (listen is None) != (secret_file is None) or (listen is not None and once):
        raise click.UsageError("--listen and --secret-file belong together, and --once hears nothing")
    if listen is None or secret_file is None:
        return None
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or not host or int(port) > _LARGEST_PORT:
        raise click.BadParameter("give an address and a port, like 127.0.0.1:8477", param_hint="--listen")
    if secret_file.stat().st_mode & 0o077:
        raise HookSecretUnusable(secret_file, "may be read by others")
    secret = secret_file.read_bytes().strip()
    if len(secret) < _SHORTEST_SECRET:
        raise HookSecretUnusable(secret_file, f"has fewer than {_SHORTEST_SECRET} letters")
    return host.removeprefix("[").removesuffix("]"), int(port), Secret(secret)


@contextlib.contextmanager
def _heard(where: tuple[str, int, Secret] | None, bell: Doorbell) -> Iterator[None]:
    """Have hooks ring the bell for the time of a block, when there are any."""
    if where is None:
        yield
        return
    with heard_at(*where, bell.ring) as address:
        click.echo(f"hooks are heard at http://{address}/", err=True)
        yield


def _refresh(signed: Repository, now_ns: int) -> None:
    """Sign again what this machine signs, once half of its time is over."""
    periods = signed.periods
    ours = [one for one in standing(signed, now_ns=now_ns) if one.at_hand >= one.threshold]
    if any(is_due(expires_at=one.expires_at, period=periods.of(one.role), now=now_ns // 10**9) for one in ours):
        publishing.refresh(signed, now_ns=now_ns)


def _tell(out: Output, turn: Turn) -> None:
    if turn.problem is not None and not out.as_json:
        click.echo(f"{(turn.commit or 'no commit')[:12]}: {turn.problem.message}\n  {turn.problem.hint}", err=True)
