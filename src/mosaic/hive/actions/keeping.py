"""What is kept of an installation's snapshots: chosen by its owner, used by whoever lets snapshots go.

It is the Hive that lets snapshots go when a holder collects, so a rule needs
to reach no Device, and holds with the next collection wherever the app is.
"""

from datetime import UTC, datetime

from mosaic.adapters.sql import events, installations, placements, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.core.ids import AccountId
from mosaic.core.keep_rule import KeepsLess, keeps_less, loss_of, parse_rule, write_rule
from mosaic.core.retention import Retention
from mosaic.hive import keeping, roll_call
from mosaic.hive.finding import find_installation
from mosaic.hive.runtime import Hive
from mosaic.wire.keeping import Keeping, SetKeeping


async def read_keeping(hive: Hive, who: AccountId, installation: str) -> Keeping:
    """Return the rule that is in force, and what it does to what there is."""
    now_ns = hive.clock.wall_ns()

    def look(tx: Tx) -> Keeping:
        found = find_installation(tx, who, installation)
        rule = keeping.rule_of(tx, found.id)
        return _compared(tx, found, rule, rule, now_ns)

    return await hive.read(look)


async def set_keeping(hive: Hive, who: AccountId, installation: str, wanted: SetKeeping) -> Keeping:
    """Have another rule from the next collection on, or say what it would do.

    Raises:
        KeepRuleUnusable: it says nothing that can be kept.
        KeepsLess: it keeps less than the one before, and its owner did not agree to that.
    """
    now_ns = hive.clock.wall_ns()

    def look(tx: Tx) -> tuple[Installation, Keeping, Retention]:
        found = find_installation(tx, who, installation)
        before = keeping.rule_of(tx, found.id)
        rule = parse_rule(wanted.rule, before)
        return found, _compared(tx, found, rule, before, now_ns), rule

    def change(tx: Tx) -> Keeping:
        roll_call.require_none(tx)
        # The lease is what a collection locks: it sees one rule or the other.
        placements.lock(tx, find_installation(tx, who, installation).id)
        found, compared, rule = look(tx)
        if compared.rule == compared.before:
            return compared
        if compared.keeps_less and not wanted.agreed:
            raise KeepsLess(found.name, loss_of(rule, compared.lets_go, compared.stay, _day(compared.oldest_ns)))
        installations.set_keeps(tx, found.id, None if compared.is_default else compared.rule)
        text = f"Of {found.name}, {compared.rule} is kept from now on."
        events.add(tx, Happened(who, "keeping-changed", found.id, text), now_ns=now_ns)
        return compared

    if wanted.dry_run:
        return (await hive.read(look))[1]
    return await hive.write(change)


def _compared(tx: Tx, found: Installation, rule: Retention, before: Retention, now_ns: int) -> Keeping:
    stay, lets_go, oldest = 0, 0, list[int]()
    for volume in volumes.of_installation(tx, found.id):
        kept = {one.snapshot.head: one.snapshot for one in keeping.decide(tx, volume, rule, now_ns=now_ns).kept}
        had = {one.snapshot.head for one in keeping.decide(tx, volume, before, now_ns=now_ns).kept}
        stay += len(kept)
        lets_go += len(had - kept.keys())
        # By the chain's order: the instants are what clocks said.
        oldest += [one.instant_ns for one in sorted(kept.values(), key=lambda one: one.seq)[:1]]
    return Keeping(
        name=found.name,
        rule=write_rule(rule),
        is_default=rule == Retention(),
        before=write_rule(before),
        keeps_less=keeps_less(rule, before),
        stay=stay,
        lets_go=lets_go,
        oldest_ns=min(oldest, default=None),
    )


def _day(instant_ns: int | None) -> str | None:
    try:
        return None if instant_ns is None else datetime.fromtimestamp(instant_ns // 10**9, UTC).strftime("%d %b %Y")
    except (ValueError, OverflowError, OSError):
        # A clock that was wrong may have said any instant.
        return None
