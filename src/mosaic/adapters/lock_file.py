"""A file that one process at a time holds. The kernel lets it go when its holder ends, however it ends (`flock(2)`)."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.core.errors import MosaicError


def take(file: Path) -> int | None:
    """Return a descriptor that holds the file until it is closed; None while another process holds it.

    A file that is missing is made, for this user alone, and stays. Programs that
    this process starts do not have the descriptor.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException as error:  # the descriptor is nobody's then
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


@contextmanager
def held(file: Path, refusal: Callable[[], MosaicError]) -> Iterator[None]:
    """Hold the file while the block runs; where another process holds it, raise what `refusal` returns."""
    descriptor = take(file)
    if descriptor is None:
        raise refusal()
    try:
        yield
    finally:
        os.close(descriptor)
