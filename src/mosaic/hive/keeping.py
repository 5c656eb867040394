"""Which snapshots of a volume stay, by the rule that its owner chose.

What the holder began with, what somebody reads, and what a wish to go back or a
fork is still waiting for, stays like what is pinned.
"""

from mosaic.adapters.sql import heads, installations, origins, read_leases, restores
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.ids import InstallationId
from mosaic.core.keep_rule import parse_rule
from mosaic.core.retention import Retained, Retention, Snapshot, retain


def rule_of(tx: Tx, installation: InstallationId) -> Retention:
    """Return the rule that is in force. One that cannot be read raises: nothing is let go on doubt."""
    found = installations.get(tx, installation)
    return parse_rule(found.keeps, Retention()) if found is not None and found.keeps is not None else Retention()


def decide(tx: Tx, known: Volume, rule: Retention, *, now_ns: int) -> Retained:
    """Return what a rule keeps of a volume, and what it lets go."""
    leases = read_leases.held(tx, known.id, now_ns=now_ns)
    stays = {
        known.base,
        known.newest,
        *(one.head for one in leases),
        *restores.awaited(tx, known.id),
        *origins.awaited(tx, known.id, now_ns=now_ns),
    }
    return retain(
        [
            Snapshot(one.head, one.seq, one.instant_ns, one.pinned or one.head in stays)
            for one in heads.kept(tx, known.id)
        ],
        rule,
    )
