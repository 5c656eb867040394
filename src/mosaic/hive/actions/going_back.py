"""Bringing an app's data back to an earlier snapshot: taking the wish, and taking it back.

The Device carries it out (see `mosaic.hive.wishes` for how it ends). Only one
wish is open at a time, and only where the app is settled.
"""

from mosaic.adapters.sql import devices, heads, restores, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.restores import Restore
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import AccountId, AppDigest, HeadHash
from mosaic.core.placement import Moving, Phase, Placement
from mosaic.crypto.tokens import new_id
from mosaic.hive import updates
from mosaic.hive.actions.installations import changed
from mosaic.hive.app_check import require_installable
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.compose_files import compose_file
from mosaic.hive.finding import find_installation
from mosaic.hive.present import sight
from mosaic.hive.present.devices import newest_report
from mosaic.hive.present.sight import Sight
from mosaic.hive.runtime import Hive
from mosaic.hive.wishes import GoesBack, placement_of
from mosaic.wire import api
from mosaic.wire.head import Head, parse

_MOST_NAME = 80


class SnapshotMissing(NotFound):
    """The app's data has no such snapshot."""

    code = "snapshot-missing"

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(
            f"the data of {name} has no snapshot {wanted[:_MOST_NAME]!r}",
            hint=f"`mosaic volume show {name}` says what there is",
        )


class WishUnclear(Refused):
    """A wish names no state, or two."""

    code = "wish-unclear"

    def __init__(self) -> None:
        super().__init__(
            "name one state: a snapshot or a conflict snapshot", hint="say which with `--at` or `--conflict`"
        )


class DeviceAway(Conflict):
    """The Device that would have to do it is not connected."""

    code = "device-away"

    def __init__(self, device: str, name: str) -> None:
        super().__init__(
            f"{device} is not connected, and it is the one that has {name}",
            hint=f"start it, or move the app first: `mosaic move {name} --to DEVICE --force`",
        )


class AppDiffers(Conflict):
    """The snapshot belongs to another version of the app."""

    code = "app-differs"

    def __init__(self, name: str, theirs: AppDigest, *, is_here: bool) -> None:
        has = "this Hive still has it" if is_here else "this Hive does not have it any more"
        hint = (
            "go back with the app as it was then: add `--with-app`"
            if is_here
            else f"look for single files with `mosaic volume browse {name}`, or choose a later snapshot"
        )
        super().__init__(
            f"that snapshot belongs to another version of the app ({theirs[:19]}…), and {has}; "
            f"what {name} runs now might not understand its data",
            hint=hint,
        )


async def go_back(
    hive: Hive, who: AccountId, installation: str, wish: api.GoBack, *, version: AppDigest | None = None
) -> api.Installation:
    """Want the app's data as it was. The same wish again, while it is open, changes nothing.

    `version` is the one that is known to have written it, where its head may not say so.
    """
    if (wish.head is None) == (wish.conflict is None):
        raise WishUnclear
    seen = sight.take(hive)
    digest = await _app_of(hive, who, installation, wish, version)

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        volume = _data(tx, found, wish)
        open_one = restores.open_one(tx, found.id)
        if open_one is not None:
            if (open_one.head, open_one.conflict) == (wish.head, wish.conflict):
                return None
            raise GoesBack(found.name)
        updates.require_none(tx, found)
        if wish.head is not None:
            # Once more, under the lease that letting go locks: nothing lets it go from here on.
            head_of(tx, found, volume, wish.head)
        where = placement_of(tx, found.id)
        if where.phase is not Phase.SETTLED:
            raise Moving(where.phase)
        _require_there(tx, found, where, volume, wish, seen)
        restores.put(
            tx,
            Restore(
                installation=found.id,
                id=new_id(),
                volume=volume.id,
                head=HeadHash(wish.head) if wish.head is not None else None,
                conflict=wish.conflict,
                app_digest=digest or found.app_digest,
                asked_ns=seen.now_ns,
            ),
        )
        return "going-back", f"{found.name} goes back to an earlier snapshot; what is there now is saved first."

    return await changed(hive, who, installation, change)


async def stay(hive: Hive, who: AccountId, installation: str) -> api.Installation:
    """Take the open wish back. Data that is in place already stays there."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx, found: Installation) -> tuple[str, str] | None:
        open_one = restores.open_one(tx, found.id)
        if open_one is None:
            return None
        restores.end(tx, open_one, now_ns=now_ns, failure="it was called off")
        return "restore-failed", f"Going back with {found.name} was called off."

    return await changed(hive, who, installation, change)


async def _app_of(
    hive: Hive, who: AccountId, installation: str, wish: api.GoBack, version: AppDigest | None
) -> AppDigest | None:
    """Return the bundle that shall run afterwards, None for the installed one. Raises AppDiffers."""

    def look(tx: Tx) -> tuple[Installation, AppDigest | None]:
        found = find_installation(tx, who, installation)
        return found, _belongs_to(tx, found, wish)

    found, wrote = await hive.read(look)
    theirs = version or wrote
    if theirs is None or theirs == found.app_digest:
        return None
    try:
        file = await hive.in_thread(lambda: compose_file(hive.bundles, theirs))
    except BundleMissing:
        raise AppDiffers(found.name, theirs, is_here=False) from None
    if not wish.with_app:
        raise AppDiffers(found.name, theirs, is_here=True)
    asked = api.Install(found.app, config=found.config, grant=found.grant)
    await hive.in_thread(lambda: require_installable(file, asked, installation=found.id, name=found.name))
    return theirs


def _belongs_to(tx: Tx, found: Installation, wish: api.GoBack) -> AppDigest | None:
    if wish.head is None:
        # Nothing says which version wrote a conflict snapshot.
        return None
    head = head_of(tx, found, _data(tx, found, wish), wish.head)
    return AppDigest(f"sha256:{head.app_digest.hex()}") if head.app_digest else None


def _data(tx: Tx, found: Installation, wish: api.GoBack) -> Volume:
    volume = volumes.data_of(tx, found.id)
    if volume is None:
        raise SnapshotMissing(found.name, wish.head or wish.conflict or "")
    return volume


def head_of(tx: Tx, found: Installation, volume: Volume | None, wanted: str) -> Head:
    """Return a snapshot of the installation's volume that was not let go. Raises SnapshotMissing."""
    head = HeadHash(wanted.replace("\0", ""))
    kept = volume is not None and heads.is_kept(tx, volume.id, head)
    signed = heads.signed(tx, volume.id, head) if volume is not None and kept else None
    if signed is None:
        raise SnapshotMissing(found.name, wanted)
    return parse(signed)[0]


def _require_there(
    tx: Tx, found: Installation, where: Placement, volume: Volume, wish: api.GoBack, seen: Sight
) -> None:
    """Return when the Device is connected, and has the conflict snapshot if one is wanted."""
    home = devices.get(tx, where.home)
    if home is None or home.id not in seen.connected:
        raise DeviceAway(home.name if home else "its device", found.name)
    if wish.conflict is not None:
        report = newest_report(home, seen)
        kept = [each.conflicts for each in report.volumes if each.volume == volume.id] if report else []
        if not any(one.name == wish.conflict for each in kept for one in each):
            raise SnapshotMissing(found.name, wish.conflict)
