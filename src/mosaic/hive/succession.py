"""Giving an app new keys: a second installation of it takes the place of the first, with the first one's data.

    the older one   is uninstalled: stopped, its last snapshot stored, released   (the trash keeps it)
    the newer one   is made then, under the same name: new keys, the older one's last snapshot
    it is settled   the succession is over; the older one stays in the trash
    it cannot come up: the newer one goes into the trash, and once it has stopped there the older one comes back

Level-triggered, like moves: looked at whenever one of the two has changed, in
the transaction that learnt of it, so a Hive that is killed goes on from the
database. Which of the two counts is said by which is outside the trash.
"""

from dataclasses import replace

from mosaic.adapters.sql import events, installations, origins, placements, successions, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.origins import Origin
from mosaic.adapters.sql.successions import Succession
from mosaic.core import lease, placement
from mosaic.core.errors import Conflict
from mosaic.core.ids import InstallationId
from mosaic.core.placement import Phase, Placement
from mosaic.hive.links import succession as link_succession


class BeingRekeyed(Conflict):
    """The app is being given new keys."""

    code = "being-rekeyed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is being given new keys at the moment",
            hint=f"wait until it has them: `mosaic show {name}`; or call it off: `mosaic volume rekey {name} --cancel`",
        )


def require_none(tx: Tx, found: Installation) -> None:
    """Return when the installation is in no succession. Raises BeingRekeyed."""
    if is_open(tx, found.id):
        raise BeingRekeyed(found.name)


def is_open(tx: Tx, installation: InstallationId) -> bool:
    """Whether the installation is in a succession."""
    return successions.open_of(tx, installation) is not None


def carry_on(tx: Tx, installation: InstallationId, *, now_ns: int) -> frozenset[InstallationId]:
    """Take the step that is due for the succession that an installation is in; return which to look at."""
    found = successions.open_of(tx, installation)
    older = installations.get(tx, found.installation) if found else None
    before = placements.lock(tx, found.installation) if found else None
    if found is None or older is None or before is None:
        return frozenset()
    newer = placements.lock(tx, found.successor)
    if found.failure is not None:
        # Not before the newer one has stopped: it has the ports that the older one shall have again.
        has_left = newer is None or newer.lease.released
        return _come_back(tx, found, older, before, now_ns) if has_left else frozenset()
    if newer is None:
        return _begin(tx, found, older, before, now_ns)
    if newer.phase is Phase.SETTLED:
        successions.end(tx, found, now_ns=now_ns)
        text = f"{older.name} has new keys; what it was under the older ones is in the trash for 30 days."
        events.add(tx, Happened(older.account, "rekeyed", found.successor, text), now_ns=now_ns)
    elif newer.phase is Phase.TRASHED:
        _end_failed(tx, replace(found, failure="it was uninstalled meanwhile"), older, now_ns)
    elif newer.phase is Phase.ARRIVING and newer.problem is not None:
        return turn_back(tx, found, newer.problem, now_ns=now_ns)
    return frozenset()


def turn_back(tx: Tx, found: Succession, why: str, *, now_ns: int) -> frozenset[InstallationId]:
    """Let the newer one go, so that the older one comes back; return which to look at."""
    newer = placements.lock(tx, found.successor)
    if newer is not None:
        placements.save(tx, found.successor, newer, placement.uninstall(newer, now_ns))
    successions.fail(tx, found, why)
    return frozenset({found.installation, found.successor} if newer else {found.installation})


def come_back_at_once(tx: Tx, found: Succession, *, now_ns: int) -> None:
    """End it with the older one in its place, though the newer one may not have stopped yet."""
    older, before = installations.get(tx, found.installation), placements.lock(tx, found.installation)
    if older is not None and before is not None:
        _come_back(tx, found, older, before, now_ns)


def _begin(tx: Tx, found: Succession, older: Installation, before: Placement, now_ns: int) -> frozenset[InstallationId]:
    if not before.lease.released:
        return frozenset()
    last = volumes.data_of(tx, older.id)
    if last is None or last.newest is None:
        return turn_back(tx, found, "it has no data that was ever stored", now_ns=now_ns)
    new = replace(older, id=found.successor, created_ns=now_ns, failure=None)
    where = placement.install(lease.new_lease({}, policy=before.lease.policy), before.home, now_ns)
    placements.add(tx, new, replace(where, wish=before.wish))
    origins.add(tx, Origin(new.id, last.id, last.newest))
    link_succession.follow(tx, older.id, new.id, now_ns=now_ns)
    text = f"{new.name} comes up again with the data that it had, under new keys."
    events.add(tx, Happened(new.account, "rekeying", new.id, text), now_ns=now_ns)
    return frozenset({new.id})


def _come_back(
    tx: Tx, found: Succession, older: Installation, before: Placement, now_ns: int
) -> frozenset[InstallationId]:
    if before.phase is Phase.TRASHED:
        back = placement.restore_from_trash(before, before.home, now_ns)
        placements.save(tx, found.installation, before, replace(back, wish=before.wish))
    link_succession.follow(tx, found.successor, older.id, now_ns=now_ns)
    _end_failed(tx, found, older, now_ns)
    return frozenset({older.id})


def _end_failed(tx: Tx, found: Succession, older: Installation, now_ns: int) -> None:
    successions.end(tx, found, now_ns=now_ns, failure=found.failure)
    text = f"{older.name} was not given new keys: {found.failure}"
    events.add(tx, Happened(older.account, "rekey-failed", older.id, text), now_ns=now_ns)
