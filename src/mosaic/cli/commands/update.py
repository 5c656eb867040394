"""`mosaic update NAME`: another version of an app, tried so that its failure costs nothing."""

import sys
from pathlib import Path

import click
from msgspec.structs import replace

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import plan_view, verdict
from mosaic.cli.approving import approve
from mosaic.cli.connection import connected
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe, version_of
from mosaic.cli.unlocking import at_first_need
from mosaic.core.errors import MosaicError
from mosaic.wire.api import Installation, Logs
from mosaic.wire.updating import GATE_SECONDS
from mosaic.wire.versions import Follows, UpdateApp, UpdatePlan

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UNSIGNED = "approval-missing"


@click.command()
@click.argument("name")
@click.option("--to", "digest", metavar="DIGEST", help="This version, as far as NAME could have it; else the newest.")
@click.option("--gate", type=click.IntRange(0, 240), default=GATE_SECONDS, show_default=True, metavar="SECONDS",
              help="How long it must be well before it counts.")  # fmt: skip
@click.option("--again", is_flag=True, help="Also a version that failed here twice.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--follow/--no-follow", "follows", default=None, help="Whether it takes newer versions by itself.")
@click.option("--cancel", is_flag=True, help="Call off what was asked, as long as the new version does not count.")
@click.option("--report", is_flag=True, help="Show what the last update that failed left on its Device.")
@click.option("--passphrase-file", type=_FILE, help="Read the passphrase from a file, when one is needed.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def update(
    out: Output,
    name: str,
    digest: str | None,
    gate: int,
    again: bool,
    dry_run: bool,
    follows: bool | None,
    cancel: bool,
    report: bool,
    passphrase_file: Path | None,
    no_wait: bool,
) -> None:
    """Update the app NAME to a newer version, and wait until it counts.

    The new version is fetched while the old one runs. Then the app is stopped, everything is replicated, and the new
    version is started. Only when it was well for --gate seconds it counts; else the version before runs again, with
    its data as it was. What the new one wrote meanwhile is kept.
    """
    if [dry_run, follows is not None, cancel, report].count(True) > 1:
        raise click.UsageError("say one of --dry-run, --follow, --no-follow, --cancel and --report")
    path = f"/api/installations/{segment(name)}"
    wish = UpdateApp(digest, gate_seconds=gate, again=again)
    with connected() as hive:
        if dry_run:
            plan = hive.send("POST", f"{path}/update-plan", wish, UpdatePlan)
            out.result(plan, plan_view.lines(name, plan))
        elif follows is not None:
            seen = hive.send("PUT", f"{path}/follows", Follows(follows), Installation)
            how = "takes newer versions by itself from now on" if follows else "takes no newer version by itself"
            out.result(seen, f"{seen.name} {how}.")
        elif cancel:
            seen = hive.send("POST", f"{path}/cancel-update", None, Installation)
            out.result(seen, f"No update is under way. {describe(seen)}")
        elif report:
            told = hive.get(f"{path}/update-report", Logs)
            out.result(told, told.text.rstrip("\n"))
        else:
            asked = _asked(hive, path, wish, passphrase_file)
            out.result(*_followed(out, hive, asked, no_wait=no_wait))


def _asked(hive: HiveClient, path: str, wish: UpdateApp, passphrase_file: Path | None) -> Installation:
    try:
        return hive.send("POST", f"{path}/update", wish, Installation)
    except MosaicError as refused:
        can_ask = passphrase_file is not None or sys.stdin.isatty()
        if refused.code != _UNSIGNED or not can_ask:
            raise
    plan = hive.send("POST", f"{path}/update-plan", wish, UpdatePlan)
    seen = hive.get(path, Installation)
    approval = approve(at_first_need(hive, passphrase_file), seen.app, plan.app_digest_after)
    # That very version, should there be a newer one meanwhile.
    wish = replace(wish, digest=plan.app_digest_after, approval=approval)
    return hive.send("POST", f"{path}/update", wish, Installation)


def _followed(out: Output, hive: HiveClient, asked: Installation, *, no_wait: bool) -> tuple[Installation, str]:
    seen = follow_update(out, hive, asked, no_wait=no_wait)
    wish = seen.updating
    if wish is not None and wish.outcome == "done":
        return seen, f"{seen.name} runs {version_of(wish.label, wish.app_digest)}.\n{describe(seen)}"
    if wish is not None and wish.ended_ns is None and not no_wait:
        return (
            seen,
            f"The new version of {seen.name} is fetched; it is tried when it is started: mosaic start {seen.name}",
        )
    return seen, describe(seen)


def follow_update(out: Output, hive: HiveClient, asked: Installation, *, no_wait: bool) -> Installation:
    """Watch the update that was asked for until it is over, and return the installation as it is then."""
    wish = asked.updating
    if no_wait or wish is None:
        return asked
    out.remark(
        f"{asked.name} is updated to {version_of(wish.label, wish.app_digest)}; Ctrl-C stops watching, not the work."
    )
    return follow(hive, asked.installation, lambda seen: verdict.updated(seen, wish.id))
