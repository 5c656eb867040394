"""Holding a read lease: what a snapshot needs is not deleted while it is read, however long that takes."""

import contextlib
import secrets
import threading
from collections.abc import Iterator

from mosaic.adapters.api_client import HiveClient
from mosaic.core.errors import MosaicError
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.wire.blobs import ReadLease, ReadLeased

_RENEW_SECONDS = 3600.0
"""A lease lasts for 24 hours: the Hive may be away for a night."""


@contextlib.contextmanager
def leased(hive: HiveClient, volume: VolumeId, head: HeadHash) -> Iterator[None]:
    """Hold a lease on a head. Raises NotFound when retention has let it go meanwhile."""
    lease = secrets.token_hex(16)

    def ask(*, done: bool) -> None:
        hive.send("POST", f"/api/volumes/{volume}/read-leases", ReadLease(lease, head, done), ReadLeased)

    over = threading.Event()

    def renew() -> None:
        while not over.wait(_RENEW_SECONDS):
            # A Hive that does not answer now is asked again in an hour.
            with contextlib.suppress(MosaicError):
                ask(done=False)

    ask(done=False)
    renewing = threading.Thread(target=renew, name="mosaic-lease", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()
        # One that is not ended ends by itself.
        with contextlib.suppress(MosaicError):
            ask(done=True)
