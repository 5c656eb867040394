"""An error as a report carries it: code, sentence and hint."""

from mosaic.adapters.storage_client import StorageFenced, StorageNotYet, StorageRefused
from mosaic.core.errors import MosaicError
from mosaic.device.doing.waiting import VolumeNotReady
from mosaic.wire.storage import Failure


def failure_of(error: MosaicError) -> Failure:
    """Return what happened; what the storage daemon said is passed on in its own words."""
    if isinstance(error, StorageRefused | StorageFenced | StorageNotYet | VolumeNotReady):
        return error.failure
    return Failure(error.code, error.message, error.hint)
