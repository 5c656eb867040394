"""`mosaic policy NAME --keep RULE`: what is kept of an app's snapshots, shown and changed."""

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking
from mosaic.cli.units import day
from mosaic.core.keep_rule import KeepsLess, loss_of, parse_rule
from mosaic.core.retention import Retention
from mosaic.wire.keeping import Keeping, SetKeeping


def change(hive: HiveClient, name: str, rule: str, *, yes: bool, dry_run: bool) -> tuple[Keeping, str]:
    """Have something else kept, and return it with what to say. Asks before anything more is let go.

    Raises:
        KeepRuleUnusable: nothing was changed.
        KeepsLess: nobody agreed to keep less. Nothing was changed.
    """
    found = hive.send("PUT", _path(name), SetKeeping(rule, dry_run=True), Keeping)
    if found.rule == found.before:
        return found, f"Nothing was changed: of {found.name}, {found.rule} is kept already."
    loss = _loss(found)
    if dry_run:
        return found, f"Nothing was changed. For {found.name}, {loss}."
    if found.keeps_less and not asking.agree(f"For {found.name}, {loss}. Go on?", yes=yes):
        raise KeepsLess(found.name, loss)
    after = hive.send("PUT", _path(name), SetKeeping(rule, agreed=found.keeps_less), Keeping)
    return after, f"For {after.name}, {_loss(after)}."


def _loss(found: Keeping) -> str:
    rule = parse_rule(found.rule, Retention())
    return loss_of(rule, found.lets_go, found.stay, None if found.oldest_ns is None else day(found.oldest_ns))


def _path(name: str) -> str:
    return f"/api/installations/{segment(name)}/keeping"
