"""`mosaic rollback NAME`: an earlier version of an app again, with its data or on the present one."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.commands.update import follow_update
from mosaic.cli.connection import connected
from mosaic.cli.going_back import follow_going_back, require_agreed, was_there
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe, version_of
from mosaic.cli.units import second
from mosaic.core.snapshot_choice import SHORT_HASH
from mosaic.wire.api import Installation
from mosaic.wire.versions import Generation, RollBack


@click.command()
@click.argument("name")
@click.option("--to", "number", type=click.IntRange(1), metavar="N", help="The generation; else the one before.")
@click.option("--keep-data", is_flag=True, help="Run its version on the present data, as an update that may fail.")
@click.option("--list", "only_list", is_flag=True, help="List which versions it ran, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the Hive has accepted it.")
@json_option
def rollback(
    out: Output, name: str, number: int | None, keep_data: bool, only_list: bool, yes: bool, no_wait: bool
) -> None:
    """Go back to a version of the app NAME that it ran before, and to the data that it had then.

    What is there now is replicated as a snapshot of its own first: `mosaic volume restore` brings it back.
    """
    path = f"/api/installations/{segment(name)}"
    with connected() as hive:
        ran = hive.get(f"{path}/generations", list[Generation])
        if only_list:
            out.table(ran, ["N", "VERSION", "SINCE", "ITS LAST DATA"], _rows(ran), empty=f"{name} ran nothing yet.")
            return
        loss = None if keep_data else _loss(name, ran, number)
        if loss is not None:
            require_agreed(out, name, loss, yes=yes)
        asked = hive.send("POST", f"{path}/rollback", RollBack(number, keep_data), Installation)
        if keep_data:
            seen = follow_update(out, hive, asked, no_wait=no_wait)
        else:
            seen = follow_going_back(out, hive, asked, no_wait=no_wait)
    lines = [
        f"{seen.name} runs {version_of(seen.label, seen.app_digest)}.",
        *([] if keep_data else _kept(seen, ran)),
        describe(seen),
    ]
    out.result(seen, "\n".join(lines))


def _kept(seen: Installation, ran: list[Generation]) -> list[str]:
    """Say where what was there before is, once it is somewhere."""
    back = seen.going_back
    present = max((each.n for each in ran), default=None)
    if back is None or back.ended_ns is None or back.saved is None or present is None:
        return []
    return was_there(back.saved, back.saved_instant_ns, f"mosaic rollback {seen.name} --to {present}")


def _rows(ran: list[Generation]) -> list[list[str]]:
    present = max((each.n for each in ran), default=0)
    return [
        [
            str(each.n),
            version_of(each.label, each.app_digest),
            second(each.began_ns),
            "the present" if each.n == present else _last(each),
        ]
        for each in ran
    ]


def _last(each: Generation) -> str:
    if each.last_head is None or each.last_instant_ns is None:
        return "not kept"
    return f"{second(each.last_instant_ns)}, snapshot {each.last_head[:SHORT_HASH]}"


def _loss(name: str, ran: list[Generation], number: int | None) -> str | None:
    """Say what goes back to when; None for what the Hive refuses in better words."""
    target = next((each for each in ran[1:] if number in (None, each.n)), None)
    if target is None or target.last_instant_ns is None:
        return None
    when, version = second(target.last_instant_ns), version_of(target.label, target.app_digest)
    return (
        f"{name} goes back to {version} and to {when}. What was written since stays as a snapshot, to be gone back to."
    )
