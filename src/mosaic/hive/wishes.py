"""How a wish to go back ends: with the head that fulfils it, or with what its Device says.

Called with the lease locked, within the transaction that learnt of it, so that
no crash and no lost message can end a wish twice, or leave it open when it
was fulfilled.
"""

from mosaic.adapters.sql import events, heads, installations, placements, restores
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.restores import Restore
from mosaic.core.errors import Conflict
from mosaic.core.ids import HeadHash, InstallationId
from mosaic.core.placement import Placement
from mosaic.hive import updates
from mosaic.wire.assignment import GoingBack
from mosaic.wire.head import Head
from mosaic.wire.report import Report

_LONGEST_FAILURE = 2000


class GoesBack(Conflict):
    """The installation is on its way back to an earlier snapshot."""

    code = "goes-back"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} goes back to an earlier snapshot at the moment",
            hint=f"wait until it has: `mosaic show {name}`; or call it off: `mosaic volume restore {name} --cancel`",
        )


def require_none(tx: Tx, found: Installation) -> None:
    """Return when no wish is open. Raises GoesBack."""
    if is_open(tx, found.id):
        raise GoesBack(found.name)


def is_open(tx: Tx, installation: InstallationId) -> bool:
    """Whether a wish is open."""
    return restores.open_one(tx, installation) is not None


def placement_of(tx: Tx, installation: InstallationId) -> Placement:
    """Return where an installation is, which there must be."""
    found = placements.get(tx, installation)
    assert found is not None
    return found


def assigned(wish: Restore, present: Installation) -> GoingBack:
    """Return the wish as the Device is told of it."""
    return GoingBack(wish.id, wish.volume, wish.head, present.app_digest, wish.conflict)


def fulfil(tx: Tx, installation: InstallationId, wish: str, head: Head, *, now_ns: int) -> None:
    """End the wish, if it is the open one: this newly accepted head has the state that was wanted."""
    found = restores.open_one(tx, installation)
    if found is not None and found.id == wish and found.volume == head.volume:
        _succeed(tx, found, head.previous, now_ns)


def hear(tx: Tx, known: Installation, report: Report | None, *, now_ns: int) -> None:
    """End the open wish if the Device that should carry it out says that it is over."""
    wish = restores.open_one(tx, known.id)
    if wish is None or report is None:
        return
    said = next((each.went_back for each in report.volumes if each.volume == wish.volume), None)
    if said is None or said.id != wish.id:
        return
    if said.failure is not None:
        why = said.failure.message.replace("\0", "")[:_LONGEST_FAILURE] or "the device did not say why"
        end_failed(tx, known, wish, why, now_ns=now_ns)
    elif wish.head is None or _is_followed(tx, wish, said.saved):
        _succeed(tx, wish, HeadHash(said.saved) if said.saved else None, now_ns)


def _is_followed(tx: Tx, wish: Restore, saved: str | None) -> bool:
    """Whether a head follows the present that was saved: it has the state that was wanted.

    That head ends its wish by itself, but where this database is an older copy that learnt of it in a roll call.
    """
    newest = heads.newest(tx, wish.volume)
    if saved is None or newest is None or newest[0] == saved:
        return False
    return heads.signed(tx, wish.volume, HeadHash(saved)) is not None


def end_failed(tx: Tx, known: Installation, wish: Restore, why: str, *, now_ns: int) -> None:
    """End a wish that leaves everything as it was."""
    restores.end(tx, wish, now_ns=now_ns, failure=why)
    text = f"{known.name} did not go back and is as it was: {why}"
    events.add(tx, Happened(known.account, "restore-failed", known.id, text), now_ns=now_ns)


def _succeed(tx: Tx, wish: Restore, saved: HeadHash | None, now_ns: int) -> None:
    known = installations.get(tx, wish.installation)
    if known is None:
        return
    restores.end(tx, wish, now_ns=now_ns, saved=saved)
    if wish.app_digest != known.app_digest:
        after = updates.version_of(tx, known, wish.app_digest)
        updates.run_version(tx, known, after, last_head=saved, now_ns=now_ns)
    kept = f"; what was there before is snapshot {saved[:12]}" if saved else ""
    text = f"{known.name} went back to an earlier snapshot{kept}."
    events.add(tx, Happened(known.account, "went-back", known.id, text), now_ns=now_ns)
