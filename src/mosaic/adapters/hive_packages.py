"""Fetching a package's blob from the Hive into a file: the rest of what is there, checked before it gets its name.

A connection that breaks leaves a part, and the next one asks for the rest (RFC 9110, range requests). A part that
came in several answers and is wrong in the end is thrown away once and fetched anew: nobody knows which one was wrong.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from mosaic.adapters.api_client import HiveSilent, refusal, segment
from mosaic.adapters.oci.blob_file import Part, held_part
from mosaic.core.errors import Corrupt
from mosaic.core.oci_types import Descriptor

Told = Callable[[int], None]
"""Is told how many bytes of the blob are there now. The number falls when a part is thrown away."""

WINDOW_SECONDS = 60.0
LEAST_BYTES = 64 * 1024
"""So much comes in each such time, or the Hive counts as silent: a blob would else keep a Device waiting for ever."""

_TRIES = 3
_LOOKS = 300
_PARTIAL, _RANGE_REFUSED = 206, 416


class HiveBlobDamaged(Corrupt):
    """What the Hive sent is not the blob that the package names."""

    code = "hive-blob-damaged"

    def __init__(self, blob: Descriptor, reason: str) -> None:
        super().__init__(
            f"what the Hive sent for {blob.digest[:19]}… is damaged: {reason}",
            hint="nothing of it was used, and it is tried again; look at the disk of the Hive's machine",
        )


def fetch_blob(http: httpx2.Client, url: str, package: str, blob: Descriptor, into: Path, *, told: Told) -> None:
    """Put a blob of a package into a file whose folder exists. What is there whole is not asked for.

    Raises:
        NotFound: the Hive does not have it. Refused: it is none of ours.
        HiveSilent: it did not answer, or too slowly; what came stays, and the next call goes on with it.
        HiveBlobDamaged: it sends something else.
        NoRoomForBlob, BlobBusy: as `held_part` and the disk say.
    """
    path = f"/api/device/packages/{segment(package)}/blobs/{segment(blob.digest)}"
    with held_part(into, blob, pause=time.sleep, looks=_LOOKS) as part:
        if part is not None:
            told(part.size)
            _complete(http, url, path, blob, part, told)
            part.finish(into)
    told(blob.size)


def _complete(http: httpx2.Client, url: str, path: str, blob: Descriptor, part: Part, told: Told) -> None:
    is_patched, failed = part.size > 0, 0
    while True:
        before = part.size
        try:
            _append(http, url, path, blob, part, told)
        except HiveSilent:
            failed = 1 if part.size > before else failed + 1
            if failed >= _TRIES:
                raise
            is_patched = is_patched or part.size > 0
            continue
        if part.digest == blob.digest:
            return
        wrong = part.digest
        part.clear()
        told(0)
        if not is_patched:
            raise HiveBlobDamaged(blob, f"its digest is {wrong[:19]}…")
        is_patched = False


def _append(http: httpx2.Client, url: str, path: str, blob: Descriptor, part: Part, told: Told) -> None:
    """Append what one answer has. A blob of no bytes is asked for as well: the Hive says whether it has it."""
    if part.size == blob.size and blob.size:
        return
    with _answer(http, url, path, part.size) as response:
        if response.status_code == _RANGE_REFUSED:
            part.clear()
            raise HiveSilent(url, "it does not send the rest of what it sent before")
        if not response.is_success:
            raise refusal(url, response.status_code, response.read())
        if response.status_code != _PARTIAL:
            part.clear()
        for piece in _steadily(url, response):
            if part.size + len(piece) > blob.size:
                part.clear()
                raise HiveBlobDamaged(blob, f"it is larger than the {blob.size} bytes that it has")
            part.append(piece)
            told(part.size)
    if part.size < blob.size:
        raise HiveSilent(url, "it ended its answer too early")


@contextmanager
def _answer(http: httpx2.Client, url: str, path: str, offset: int) -> Iterator[httpx2.Response]:
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
    try:
        with http.stream("GET", path, headers=headers) as response:
            yield response
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, RuntimeError) as error:
        # RuntimeError: the session ended while somebody asked, and the client was closed.
        raise HiveSilent(url, str(error) or type(error).__name__) from error


def _steadily(url: str, response: httpx2.Response) -> Iterator[bytes]:
    began, moved = time.monotonic(), 0
    for piece in response.iter_raw():
        yield piece
        moved += len(piece)
        if time.monotonic() - began >= WINDOW_SECONDS:
            if moved < LEAST_BYTES:
                raise HiveSilent(url, f"it sent {moved} bytes in {WINDOW_SECONDS:g} seconds")
            began, moved = time.monotonic(), 0
