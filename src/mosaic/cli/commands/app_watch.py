"""`mosaic app watch`: publish each new commit of a branch."""

import select
import signal
from pathlib import Path

import click

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.git_checkout import check_out
from mosaic.adapters.signals import woken_by
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.repository import Repository
from mosaic.adapters.trust.standing import standing
from mosaic.cli.commands.app_publish import publish
from mosaic.cli.output import Output, json_option
from mosaic.core.expiry import is_due
from mosaic.packager.watching import Turn, Watch


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("repository")
@click.option("--branch", default="main", show_default=True, help="The branch whose commits are published.")
@click.option("--every", "every_seconds", default=60.0, show_default=True, help="Seconds between two looks.")
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
    once: bool,
    state: Path,
    publishing_options: tuple[str, ...],
) -> None:
    """Publish each new commit of a branch of REPOSITORY, an address or a path that git can fetch from.

    What stands behind -- is given to `mosaic app publish`, which needs at least a registry, a repository of Targets
    and its keys. Ctrl-C ends it; --once ends with 1 when the commit could not be published.
    """
    state.mkdir(parents=True, exist_ok=True)
    checkout = state / "checkout"
    words = [*publishing_options, *(["--json"] if out.as_json else []), str(checkout)]
    # Read once, so that a misspelled option is said now and not with the first commit.
    with publish.make_context("mosaic app publish", [*publishing_options, str(state)]) as ready:
        signed = Repository(PublicFiles(ready.params["repo"]), KeyFolder(ready.params["keys"]))
    watched = Watch(
        look=lambda: check_out(repository, branch, checkout).hash,
        publish=lambda: publish.main(words, standalone_mode=False),
        refresh=lambda: _refresh(signed, SystemClock().wall_ns()),
    )
    with woken_by(signal.SIGTERM, signal.SIGINT) as told:
        while True:
            turn = watched.turn()
            if once:
                break
            _tell(out, turn)
            if select.select([told], [], [], every_seconds)[0]:
                return
    if turn.problem is not None:
        raise turn.problem


def _refresh(signed: Repository, now_ns: int) -> None:
    """Sign again what this machine signs, once half of its time is over."""
    periods = signed.periods
    ours = [one for one in standing(signed, now_ns=now_ns) if one.at_hand >= one.threshold]
    if any(is_due(expires_at=one.expires_at, period=periods.of(one.role), now=now_ns // 10**9) for one in ours):
        publishing.refresh(signed, now_ns=now_ns)


def _tell(out: Output, turn: Turn) -> None:
    if turn.problem is not None and not out.as_json:
        click.echo(f"{(turn.commit or 'no commit')[:12]}: {turn.problem.message}\n  {turn.problem.hint}", err=True)
