"""Looking for rot in what a store holds of a volume, on a budget, while the volume is held and at rest."""

import time

from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import log
from mosaic.storage.caches import Caches
from mosaic.storage.config import ScrubPace
from mosaic.storage.engine.scrub import scrub
from mosaic.storage.engine.store import Store
from mosaic.storage.volume import Volume


def scrub_a_little(volume: Volume, keys: VolumeKeys, store: Store, caches: Caches, pace: ScrubPace) -> None:
    """Read the packs that are due, if it is time to. Damage makes the next round write anew what is lost.

    Raises:
        Unavailable: the store did not answer; it is tried again by itself.
    """
    now = time.monotonic()
    if volume.scrubbed_at is not None and now - volume.scrubbed_at < pace.every_seconds:
        return
    with caches.index(volume.id) as known:
        found = scrub(
            keys,
            store,
            known,
            before_s=time.time() - pace.after_seconds,
            now_s=time.time(),
            budget_bytes=pace.budget_bytes,
        )
        volume.is_damaged = bool(known.damaged())
    volume.scrubbed_at = now
    if found.damaged:
        log.warning("store_damaged", volume=volume.id[:12], packs=len(found.damaged))
        volume.wake()
