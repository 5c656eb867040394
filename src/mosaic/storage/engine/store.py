"""What the engine needs from a place that keeps objects, and what that place owes.

tests/conformance/store_suite.py holds every store to this text.
"""

from collections.abc import Iterator
from typing import Protocol

from mosaic.wire.blobs import ObjectEntry


class Store(Protocol):
    """The objects of one volume.

    Obligations of a store:

    1. An object is immutable. Once `put` has returned, the object can be read
       with these very bytes, by everybody, until it is deleted on purpose;
       also after the store's machine lost power in the next instant.
    2. An object is whole or absent. No reader ever sees a part of one, and a
       `put` that failed left either nothing or the whole object.
    3. `put` is create-only: of two callers that put different bytes under one
       name, at most one returns normally. A bucket that knows no conditional
       writes keeps this one after another only, and not at the same moment
       (`mosaic.adapters.s3.blobs`): heads are then kept by the Hive as well.
    4. A deleted object is gone: no later `get` or `list` shows it.
    5. A store adds no meaning: it never looks into the bytes.

    Rights of a caller:

    6. Every verb may be called again after an unknown outcome (an Unavailable
       error, a lost reply, a crash); `put` with the same name and bytes is
       then a success.
    7. Verbs may be called from several threads at once.

    Errors are those of `mosaic.adapters.blobs`: `ObjectMissing` (NotFound),
    `ObjectExists` (Conflict), `ObjectDamaged` (Corrupt), `ObjectRefused` and
    `StoreFull` (Refused), `StoreUnavailable` (Unavailable, the only one that
    is worth another try). Nothing else is raised.
    """

    def put(self, name: str, data: bytes) -> None:
        """Store `data` (at most 64 MiB) durably under `name`.

        Returns also when the object is there with these very bytes. When it
        is there with others, ObjectExists is raised and nothing changes.
        """
        ...

    def get(self, name: str) -> bytes:
        """Return the whole object, or raise ObjectMissing."""
        ...

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        """Return exactly `length` (> 0) bytes from `offset`.

        ObjectDamaged is raised when the object ends before that, ObjectMissing
        when there is none.
        """
        ...

    def delete(self, name: str) -> None:
        """Delete an object for good. One that is not there is deleted already.

        Only what a collection condemned a day ago, or let go, may be deleted
        (`mosaic.storage.engine.collect`), and in a store that follows what is damaged and written anew
        (`mosaic.storage.stores.wholeness`); a store may refuse it to anybody else.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield the objects whose names begin with `prefix`, sorted by name.

        Every object whose `put` had returned before the call is among them.
        One that is put during the iteration may be missed.
        """
        ...
