"""`mosaic volume restore`: bring an app's data back to an earlier snapshot. What is there now is saved first."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.going_back import follow_going_back, require_agreed, was_there
from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.opening import chosen, past_of, warn_of_suspects
from mosaic.cli.past.past import PastSnapshot
from mosaic.cli.shown import describe
from mosaic.cli.units import second
from mosaic.core.snapshot_choice import SHORT_HASH
from mosaic.wire.api import GoBack, Installation


@click.command()
@click.argument("name")
@click.option("--at", metavar="WHEN", help="The snapshot: a number, a hash, `2026-11-20 14:00`, `2 hours ago`.")
@click.option("--conflict", metavar="CONFLICT", help="Instead: what its Device set aside under this name.")
@click.option("--with-app", is_flag=True, help="Bring the app back to the version that the snapshot belongs to.")
@click.option("--cancel", is_flag=True, help="Call off what was asked, as long as the data is not in place.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def restore(
    out: Output,
    name: str,
    at: str | None,
    conflict: str | None,
    with_app: bool,
    cancel: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    """Bring the data of the app NAME back to an earlier snapshot, where it runs.

    The app is stopped. What is there now is replicated as a snapshot of its
    own first, so that the same command brings it back; only then does the
    earlier state take its place, and the app starts again.
    """
    if [at is not None, conflict is not None, cancel].count(True) != 1:
        raise click.UsageError("say where to, with --at or --conflict, or --cancel")
    path = f"/api/installations/{segment(name)}"
    if cancel:
        with connected() as hive:
            stayed = hive.send("POST", f"{path}/cancel-restore", None, Installation)
        out.result(stayed, f"It is called off. {describe(stayed)}")
        return
    snapshot = _chosen(name, at) if at is not None else None
    require_agreed(out, name, _loss(name, snapshot, conflict), yes=yes)
    wish = GoBack(snapshot.hash if snapshot else None, conflict, with_app)
    with connected() as hive:
        asked = hive.send("POST", f"{path}/restore", wish, Installation)
        seen = follow_going_back(out, hive, asked, no_wait=no_wait)
    out.result(seen, _told(seen))


def _chosen(name: str, at: str) -> PastSnapshot:
    with past_of(Asked(name, at, None, None, None, None)) as past:
        meant = chosen(past, at)
        warn_of_suspects(past, meant)
        return meant


def _loss(name: str, snapshot: PastSnapshot | None, conflict: str | None) -> str:
    if snapshot is None:
        return f"{name} becomes what was set aside as {conflict}. What is there now stays as a snapshot."
    when = second(snapshot.head.instant_ns)
    return f"{name} goes back to {when}. What was written after {when} stays as a snapshot, to be gone back to."


def _told(seen: Installation) -> str:
    back = seen.going_back
    if back is None or back.ended_ns is None:
        return describe(seen)
    was = f" as it was at {second(back.instant_ns)}" if back.instant_ns is not None else " what was set aside"
    lines = [f"{seen.name} is{was}."]
    if back.saved is not None:
        again = f"mosaic volume restore {seen.name} --at {back.saved[:SHORT_HASH]}"
        lines.extend(was_there(back.saved, back.saved_instant_ns, again))
    return "\n".join([*lines, describe(seen)])
