"""Forking: the same app installed once more, with the data of a snapshot of the first.

The fork has keys of its own, which its Device makes; the snapshot is read with
the old volume's, and nothing of the first installation is changed.
"""

from dataclasses import dataclass

from mosaic.adapters.sql import events, installations, origins, placements, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.origins import Origin
from mosaic.core import lease, placement
from mosaic.core.ids import AccountId, AppDigest, HeadHash, InstallationId
from mosaic.crypto.tokens import new_id
from mosaic.hive import names, roll_call, updates
from mosaic.hive.actions.going_back import AppDiffers, head_of
from mosaic.hive.actions.installations import InstallationNameTaken
from mosaic.hive.actions.policy import require_signed
from mosaic.hive.app_check import require_installable
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.compose_files import compose_file
from mosaic.hive.finding import find_device, find_installation
from mosaic.hive.forecast import require_ready
from mosaic.hive.present import sight
from mosaic.hive.present.installations import one_installation
from mosaic.hive.runtime import Hive
from mosaic.hive.wishes import placement_of
from mosaic.wire import api


@dataclass(frozen=True, slots=True)
class _Source:
    """What a fork takes over."""

    installation: Installation
    origin: Origin
    digest: AppDigest


async def fork(hive: Hive, who: AccountId, installation: str, wish: api.Fork) -> api.Installation:
    """Install the app of `installation` once more, with the data of one of its snapshots."""
    name = names.check(wish.name)
    fork_id = InstallationId(new_id())
    source = await hive.read(lambda tx: _source(tx, who, installation, wish, fork_id))
    await hive.in_thread(lambda: _check_app(hive, source, wish, fork_id, name))
    seen = sight.take(hive)

    def change(tx: Tx) -> api.Installation:
        roll_call.require_none(tx)
        before = source.installation
        version = updates.version_of(tx, before, source.digest)
        device = find_device(tx, who, wish.device or placement_of(tx, before.id).home)
        require_ready(device, seen)
        if wish.grant is not None:
            require_signed(tx, who, name, wish.grant)
        if installations.name_taken(tx, who, name):
            taken = {each.name for each in installations.of_account(tx, who)}
            raise InstallationNameTaken(name, names.free(name, taken))
        new = Installation(
            id=fork_id,
            account=who,
            name=name,
            app=before.app,
            app_digest=source.digest,
            config=before.config,
            config_revision=1,
            open=False,
            # The very images, where it is the very version; ports are given anew.
            images=version.images,
            ports=[],
            restart_count=0,
            created_ns=seen.now_ns,
            grant=wish.grant,
            catalog=version.catalog,
            approval=version.approval,
            label=version.label,
        )
        # Once more, under the lease that letting go locks: nothing lets it go from here on.
        placements.lock(tx, before.id)
        _source(tx, who, before.id, wish, fork_id)
        placements.add(tx, new, placement.install(lease.new_lease({}), device.id, seen.now_ns))
        origins.add(tx, source.origin)
        text = f"{name} comes up on {device.name} with a snapshot of {before.name}."
        events.add(tx, Happened(who, "forked", new.id, text), now_ns=seen.now_ns)
        return one_installation(tx, new, seen)

    made = await hive.write(change)
    hive.carry_on([fork_id])
    return made


def _source(tx: Tx, who: AccountId, installation: str, wish: api.Fork, fork: InstallationId) -> _Source:
    found = find_installation(tx, who, installation)
    volume = volumes.data_of(tx, found.id)
    head = head_of(tx, found, volume, wish.head)
    digest = AppDigest(f"sha256:{head.app_digest.hex()}") if head.app_digest else found.app_digest
    return _Source(found, Origin(fork, head.volume, HeadHash(wish.head)), digest)


def _check_app(hive: Hive, source: _Source, wish: api.Fork, fork: InstallationId, name: str) -> None:
    found = source.installation
    try:
        file = compose_file(hive.bundles, source.digest)
    except BundleMissing:
        raise AppDiffers(found.name, source.digest, is_here=False) from None
    asked = api.Install(found.app, name=name, config=found.config, grant=wish.grant)
    require_installable(file, asked, installation=fork, name=name)
