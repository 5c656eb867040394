"""Bringing an earlier state back: agreeing to it, watching it, and naming the snapshot of what was there before."""

import sys

from mosaic.adapters.api_client import HiveClient
from mosaic.cli import asking, verdict
from mosaic.cli.follow import follow
from mosaic.cli.output import Output
from mosaic.cli.units import second
from mosaic.core.errors import Refused
from mosaic.core.snapshot_choice import SHORT_HASH
from mosaic.wire.api import Installation


class NotAgreed(Refused):
    """A person was asked, and did not want it."""

    code = "not-agreed"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stays as it is", hint="give `--yes` to go on without being asked")


def require_agreed(out: Output, name: str, loss: str, *, yes: bool) -> None:
    """Say what goes back, and ask a person whether it should. Raises NotAgreed."""
    # Nothing is lost by it, so that a script need not say so twice; a person may have meant another time.
    if yes or not sys.stdin.isatty():
        out.remark(loss)
    elif not asking.agree(f"{loss} Go on?", yes=False):
        raise NotAgreed(name)


def follow_going_back(out: Output, hive: HiveClient, asked: Installation, *, no_wait: bool) -> Installation:
    """Watch until what was asked for is in place, and return the installation as it is then."""
    if no_wait:
        return asked
    wish = asked.going_back.id if asked.going_back else ""
    out.remark(f"{asked.name} goes back; Ctrl-C stops watching, not the work.")
    return follow(hive, asked.installation, lambda seen: verdict.went_back(seen, wish))


def was_there(saved: str, instant_ns: int | None, command: str) -> list[str]:
    """Say which snapshot, and of when, has what was there before, and the `command` that goes back to it."""
    when = f" of {second(instant_ns)}" if instant_ns is not None else ""
    return [f"What was there before is snapshot {saved[:SHORT_HASH]}{when}.", f"To go back to that: {command}"]
