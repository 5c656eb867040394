"""Installations that take newer versions of their app by themselves.

Every few minutes the source of each is asked what it offers. Whether a
roll-out lets the installation's Device in already is the offer's matter
(`mosaic.hive.offers`). What failed there twice, what its owner called off, and
what he went back from since, is his to ask for.
"""

import anyio

from mosaic.adapters import log
from mosaic.adapters.sql import generations, installations, placements, updates
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AppDigest, InstallationId
from mosaic.core.placement import Phase, Wish
from mosaic.hive import offers
from mosaic.hive.actions.updating import MOST_FAILURES, take_by_itself
from mosaic.hive.runtime import Hive
from mosaic.hive.version_choice import choose

_EVERY_SECONDS = 120.0


async def keep(hive: Hive) -> None:
    """Look, for ever."""
    while True:
        try:
            await look(hive)
        except MosaicError as error:
            log.warning("following_paused", code=error.code, reason=error.message)
        await anyio.sleep(_EVERY_SECONDS)


async def look(hive: Hive) -> None:
    """Want the newer version of every installation that follows and is at rest."""
    for installation in await hive.read(installations.following):
        found = await hive.read(lambda tx, each=installation: _at_rest(tx, each))  # type: ignore[misc] # bound now
        if found is None:
            continue
        try:
            await _follow(hive, found)
        except MosaicError as error:
            # It asks for what was not granted, say. Its owner is told when he asks for it; the next look tries again.
            log.warning("not_followed", installation=found.id, code=error.code, reason=error.message)
        except Exception as error:  # a mistake of ours about one app must not end the Hive
            log.mistake("following_broke", error, installation=found.id)


async def _follow(hive: Hive, found: Installation) -> None:
    offer = await offers.newer(hive, found)
    if offer is None:
        return
    if await hive.read(lambda tx: _is_owners(tx, found.id, offer.digest)):
        return
    await take_by_itself(hive, await choose(hive, found, offer.digest))


def _at_rest(tx: Tx, installation: InstallationId) -> Installation | None:
    found, where = installations.get(tx, installation), placements.get(tx, installation)
    if found is None or where is None or where.phase is not Phase.SETTLED or where.wish is not Wish.RUN:
        return None
    return found if updates.open_one(tx, installation) is None else None


def _is_owners(tx: Tx, installation: InstallationId, digest: AppDigest) -> bool:
    """Whether only the owner asks for this version: taken by itself, it would undo what he decided, or fail again."""
    if generations.was_left(tx, installation, digest) or updates.was_called_off(tx, installation, digest):
        return True
    return updates.failures(tx, installation, digest) >= MOST_FAILURES
