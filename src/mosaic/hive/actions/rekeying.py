"""Giving an app new keys: asking for it, looking how it goes, and calling it off. `mosaic.hive.succession` does it."""

from mosaic.adapters.sql import devices, events, installations, placements, successions, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.successions import Succession
from mosaic.core import placement
from mosaic.core.errors import Conflict, NotFound
from mosaic.core.ids import AccountId, InstallationId
from mosaic.core.placement import Moving, Phase, Placement
from mosaic.crypto.tokens import new_id
from mosaic.hive import roll_call, succession, updates, wishes
from mosaic.hive.actions.going_back import DeviceAway
from mosaic.hive.app_check import require_installable
from mosaic.hive.compose_files import compose_file
from mosaic.hive.finding import find_installation
from mosaic.hive.forecast import require_ready
from mosaic.hive.present import sight
from mosaic.hive.present.sight import Sight
from mosaic.hive.runtime import Hive
from mosaic.wire import api


class NothingToRekey(Conflict):
    """No snapshot of the app's data was ever stored."""

    code = "nothing-to-rekey"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nothing of {name} was stored yet, so there is nothing that older keys open",
            hint=f"wait for its first snapshot: `mosaic volume show {name}`; or install it anew",
        )


class RekeyingUnknown(NotFound):
    """No app of this name or id is being given new keys."""

    code = "rekeying-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:80]!r} is not being given new keys", hint="`mosaic apps` shows what is installed")


class RekeyingDone(Conflict):
    """The app runs under its new keys already."""

    code = "rekeying-done"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} runs under its new keys already, and has written under them",
            hint=f"what it was before is in the trash: `mosaic uninstall {name}`, then `mosaic trash list`",
        )


async def rekey(hive: Hive, who: AccountId, installation: str) -> api.Rekeying:
    """Let another installation, with new keys, take the place of this one."""
    seen = sight.take(hive)
    asked = await hive.read(lambda tx: find_installation(tx, who, installation))
    await hive.in_thread(lambda: _check_app(hive, asked))

    def change(tx: Tx) -> api.Rekeying:
        roll_call.require_none(tx)
        found = find_installation(tx, who, asked.id)
        before = placements.lock(tx, found.id)
        assert before is not None
        _require_ready(tx, found, before, seen)
        placements.save(tx, found.id, before, placement.uninstall(before, seen.now_ns))
        new = Succession(found.id, InstallationId(new_id()), seen.now_ns)
        successions.put(tx, new)
        text = f"{found.name} stops, and comes up again under new keys."
        events.add(tx, Happened(who, "rekeying", found.id, text), now_ns=seen.now_ns)
        return _shown(tx, new, found)

    begun = await hive.write(change)
    hive.carry_on([asked.id])
    return begun


async def get_rekeying(hive: Hive, who: AccountId, installation: str) -> api.Rekeying:
    """Return how it goes, or went. Raises RekeyingUnknown."""

    def look(tx: Tx) -> api.Rekeying:
        wanted = InstallationId(installation.replace("\0", ""))
        found, known = successions.get(tx, wanted), installations.get(tx, wanted)
        if found is None or known is None or known.account != who:
            raise RekeyingUnknown(installation)
        return _shown(tx, found, known)

    return await hive.read(look)


async def cancel_rekeying(hive: Hive, who: AccountId, name: str) -> api.Rekeying:
    """Bring the older one back, unless the newer one runs. A second time does not wait until that one has stopped."""
    now_ns = hive.clock.wall_ns()

    def change(tx: Tx) -> api.Rekeying:
        roll_call.require_none(tx)
        found = successions.open_named(tx, who, name.replace("\0", ""))
        older = installations.get(tx, found.installation) if found else None
        if found is None or older is None:
            raise RekeyingUnknown(name)
        newer = placements.lock(tx, found.successor)
        if newer is not None and newer.phase not in (Phase.ARRIVING, Phase.TRASHED):
            raise RekeyingDone(older.name)
        if found.failure is None:
            succession.turn_back(tx, found, "it was called off", now_ns=now_ns)
        else:
            succession.come_back_at_once(tx, found, now_ns=now_ns)
        return _shown(tx, successions.get(tx, older.id) or found, older)

    called = await hive.write(change)
    hive.carry_on([InstallationId(called.installation), InstallationId(called.successor)])
    return called


def _require_ready(tx: Tx, found: Installation, before: Placement, seen: Sight) -> None:
    wishes.require_none(tx, found)
    updates.require_none(tx, found)
    succession.require_none(tx, found)
    if before.phase is not Phase.SETTLED:
        raise Moving(before.phase)
    home = devices.get(tx, before.home)
    if home is None or home.id not in seen.connected:
        raise DeviceAway(home.name if home else before.home, found.name)
    require_ready(home, seen)
    data = volumes.data_of(tx, found.id)
    if data is None or data.newest is None:
        raise NothingToRekey(found.name)


def _check_app(hive: Hive, found: Installation) -> None:
    """Return when its app could be installed again as it is. Raises what an install would."""
    asked = api.Install(found.app, name=found.name, config=found.config, grant=found.grant)
    file = compose_file(hive.bundles, found.app_digest)
    require_installable(file, asked, installation=found.id, name=found.name)


def _shown(tx: Tx, found: Succession, older: Installation) -> api.Rekeying:
    return api.Rekeying(
        installation=found.installation,
        successor=found.successor,
        name=older.name,
        asked_ns=found.asked_ns,
        is_made=installations.get(tx, found.successor) is not None,
        ended_ns=found.ended_ns,
        failure=found.failure,
    )
