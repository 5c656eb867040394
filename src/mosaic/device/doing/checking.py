"""Checking an app before its data is touched: what it asks for, room, and ports."""

from mosaic.core.compose_document import Compose
from mosaic.core.errors import Refused
from mosaic.device import vouching
from mosaic.device.doing import ports
from mosaic.device.means import Means
from mosaic.device.observe import volumes_of
from mosaic.device.outside import ask
from mosaic.device.package import read_app
from mosaic.device.records import release_of, release_text
from mosaic.wire.assignment import Assignment

LEAST_FREE_BYTES = 128 * 1024 * 1024


class PoolFull(Refused):
    """There is no room for another app's data."""

    code = "pool-full"

    def __init__(self, path: str, free_bytes: int) -> None:
        super().__init__(
            f"the pool at {path} has {free_bytes // 2**20} MiB left, and an app needs {LEAST_FREE_BYTES // 2**20} MiB",
            hint="make room on its disk, or install the app on another Device",
        )


async def check(means: Means, item: Assignment) -> Compose:
    """Note that the release may run here, with the ports it will have.

    Where there is no data yet, somebody must vouch for it. Otherwise the data may, once it is here: see `starting`.

    Raises:
        NotVouched: nobody does.
        Refused: policy, a variable, a port or room; each with its own sentence.
    """
    has_data = item.origin is not None or any(volume.base or volume.newest for volume in item.volumes)
    if not has_data:
        await vouching.require(means, item)
    compose = await ask(read_app, means, item)
    sight = await means.lookout.look()
    pool = sight.state.pool
    # An app whose data is here needs no more room to run on; data of others here says nothing about this one.
    here = any(volume.local_head for volume in volumes_of(sight, item.installation))
    if pool.free_bytes < LEAST_FREE_BYTES and not here:
        raise PoolFull(pool.path, pool.free_bytes)
    await ports.choose(means, item, compose)
    means.records.note(item.installation, checked=release_text(release_of(item)))
    return compose
