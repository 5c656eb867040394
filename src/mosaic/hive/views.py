"""What can be seen: the API's answers and the Console's pages read through these functions only.

Each returns structs of `mosaic.wire.api`, looked up in one transaction, and
changes nothing. `who` is the account that asks; what belongs to another
account does not exist for it. Things are named by id or by name.
"""

from collections.abc import Collection

from msgspec.structs import replace

from mosaic.adapters.sql import accounts, catalogs, drills, events, heads, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation as Known
from mosaic.core.ids import AccountId, AppDigest, HeadHash
from mosaic.hive import offers, past, sources
from mosaic.hive.finding import find_device, find_installation, find_volume
from mosaic.hive.forecast import forecast
from mosaic.hive.present import devices, installations, sight
from mosaic.hive.present.catalogs import catalog as presented
from mosaic.hive.present.snapshots import VolumePast, volume_past
from mosaic.hive.present.updates import generations_of
from mosaic.hive.runtime import Hive
from mosaic.hive.updates import version_words
from mosaic.wire.api import (
    Account,
    CatalogApp,
    Device,
    Drilled,
    Event,
    Installation,
    MoveForecast,
    SetupState,
    TrashEntry,
    Volume,
    VolumeEnvelope,
)
from mosaic.wire.head import parse
from mosaic.wire.report import Report
from mosaic.wire.versions import Catalog, Generation


async def setup_state(hive: Hive) -> SetupState:
    """Say whether the Hive still waits for its first account."""
    return SetupState(await hive.read(accounts.count) == 0)


async def account(hive: Hive, who: AccountId) -> Account:
    """Return the account and its keys (ciphertext and public parts)."""

    def look(tx: Tx) -> Account:
        found = accounts.get(tx, who)
        # Accounts are never deleted: who asks was found by its token a moment ago.
        assert found is not None
        return Account(found.id, found.name, found.keys)

    return await hive.read(look)


async def list_devices(hive: Hive, who: AccountId) -> list[Device]:
    """Return the account's Devices by name."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: devices.all_devices(tx, who, seen))


async def get_device(hive: Hive, who: AccountId, device: str) -> Device:
    """Return one Device. Raises DeviceUnknown."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: devices.device(tx, find_device(tx, who, device), seen))


async def last_report(hive: Hive, who: AccountId, device: str) -> Report:
    """Return what a Device told last, as far as it is kept here. Raises DeviceUnknown, NothingReported."""
    seen = sight.take(hive)
    known = await hive.read(lambda tx: find_device(tx, who, device))
    found = devices.newest_report(known, seen)
    if found is None:
        raise devices.NothingReported(known.name)
    return found


async def list_catalog(hive: Hive, who: AccountId) -> list[CatalogApp]:
    """Return the apps that can be installed now, from wherever they come, and those with a problem too."""
    return await sources.list_apps(hive, who)


async def list_catalogs(hive: Hive, who: AccountId) -> list[Catalog]:
    """Return the catalogs that the owner believes, by name, as their last refresh left them."""
    kept, now_ns = await hive.read(lambda tx: catalogs.of_account(tx, who)), hive.clock.wall_ns()
    return await hive.in_thread(lambda: [presented(hive.catalogs, one, now_ns=now_ns) for one in kept])


async def list_installations(hive: Hive, who: AccountId) -> list[Installation]:
    """Return what is installed, by name. What is in the trash is not."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: installations.all_installations(tx, who, seen))


async def get_installation(hive: Hive, who: AccountId, installation: str) -> Installation:
    """Return one installation. Raises InstallationUnknown."""
    seen = sight.take(hive)

    def look(tx: Tx) -> tuple[Known, Installation]:
        known = find_installation(tx, who, installation)
        return known, installations.one_installation(tx, known, seen)

    known, shown = await hive.read(look)
    offer = await offers.newer(hive, known)
    # What has no name is called by the beginning of its digest.
    return replace(shown, newest=version_words(offer.label, offer.digest) if offer is not None else None)


async def list_generations(hive: Hive, who: AccountId, installation: str) -> list[Generation]:
    """Return which versions of its app an installation ran, the newest first. Raises InstallationUnknown."""
    return await hive.read(lambda tx: generations_of(tx, find_installation(tx, who, installation)))


async def move_forecast(hive: Hive, who: AccountId, installation: str, to: str | None) -> MoveForecast:
    """Say what a forced move would lose, and what speaks against moving to `to`."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: forecast(tx, who, installation, to, seen))


async def list_trash(hive: Hive, who: AccountId) -> list[TrashEntry]:
    """Return what was uninstalled and can be restored, the newest first."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: installations.trash(tx, who, seen))


async def list_volumes(hive: Hive, who: AccountId) -> list[Volume]:
    """Return the volumes of all installations, those in the trash too."""
    seen = sight.take(hive)
    return await hive.read(lambda tx: installations.all_volumes(tx, who, seen))


async def snapshot(hive: Hive, who: AccountId, installation: str, wanted: str) -> tuple[int | None, AppDigest | None]:
    """Return a snapshot's instant and the bundle that it belongs to; None for one that is not there, or was let go."""

    def look(tx: Tx) -> tuple[int | None, AppDigest | None]:
        found = find_installation(tx, who, installation)
        volume = volumes.data_of(tx, found.id)
        head_hash = HeadHash(wanted.replace("\0", ""))
        signed = heads.signed(tx, volume.id, head_hash) if volume is not None else None
        if volume is None or signed is None or not heads.is_kept(tx, volume.id, head_hash):
            return None, None
        head, _ = parse(signed)
        return head.instant_ns, AppDigest(f"sha256:{head.app_digest.hex()}") if head.app_digest else None

    return await hive.read(look)


async def list_snapshots(hive: Hive, who: AccountId, installation: str, *, shown: int) -> list[VolumePast]:
    """Return the newest snapshots of each of an installation's volumes that can be gone back to."""

    kept = await hive.read(lambda tx: volumes.of_installation(tx, find_installation(tx, who, installation).id))
    mirrored = {one.id: await past.mirrors(hive, one.id) for one in kept}
    return await hive.read(lambda tx: [volume_past(tx, who, one, mirrored[one.id], shown=shown) for one in kept])


async def volume_envelope(hive: Hive, who: AccountId, volume: str) -> VolumeEnvelope:
    """Return a volume's wrapped seed. Raises VolumeUnknown."""

    def look(tx: Tx) -> VolumeEnvelope:
        found = find_volume(tx, who, volume)
        return VolumeEnvelope(found.id, found.wrapped_seed)

    return await hive.read(look)


async def list_drills(hive: Hive, who: AccountId, volume: str) -> list[Drilled]:
    """Return the last drill of each of a volume's snapshots, the newest first. Raises VolumeUnknown."""

    def look(tx: Tx) -> list[Drilled]:
        found = find_volume(tx, who, volume)
        return drills.of_volumes(tx, [found.id]).get(found.id, [])

    return await hive.read(look)


async def list_events(hive: Hive, who: AccountId, *, limit: int, leave_out: Collection[str] = ()) -> list[Event]:
    """Return what happened lately, the newest first, without the kinds to leave out."""
    return await hive.read(lambda tx: events.latest(tx, who, limit=limit, leave_out=leave_out))
