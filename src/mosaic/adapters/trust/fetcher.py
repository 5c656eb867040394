"""Fetching a repository's files, over HTTP or from a folder, never more and never longer than allowed.

One deadline is for everything that a fetcher fetches: names that are looked up,
headers and bodies that drip included. Sizes are counted before decoding, for
none is asked for. Redirects are not followed: a repository is a folder of files.
"""

import os
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urlsplit

import anyio
import httpx2
from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

_MOST_BYTES = 8 * 1024 * 1024
_MISSING = 404


class BoundedFetcher(FetcherInterface):
    """Fetches within one deadline, which begins when it is made. `name` is the file that was asked for last."""

    def __init__(self, *, deadline_seconds: float) -> None:
        self._ends = monotonic() + deadline_seconds
        self.name = ""
        self.requests = 0

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return a file of at most `max_length` bytes.

        Raises:
            DownloadLengthMismatchError: it is longer.
            SlowRetrievalError: the deadline is over.
            DownloadHTTPError: there is no such file.
            DownloadError: nobody answers.
        """
        self.name = unquote(url.rpartition("/")[2])
        self.requests += 1
        if url.startswith("file:"):
            return _from_folder(url, max_length)
        return anyio.run(partial(self._over_http, url, max_length))

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Return a file in one piece; all of the library's own ways to fetch end here or in `download_bytes`."""
        return iter([self.download_bytes(url, _MOST_BYTES)])

    async def _over_http(self, url: str, max_length: int) -> bytes:
        try:
            with anyio.fail_after(max(0.0, self._ends - monotonic())):
                return await _get(url, max_length)
        except TimeoutError:
            raise SlowRetrievalError("the deadline is over") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise DownloadError(str(error) or type(error).__name__) from None


async def _get(url: str, max_length: int) -> bytes:
    found = bytearray()
    async with _answer(url) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise DownloadHTTPError(f"it answers {answer.status_code}", answer.status_code)
        async for chunk in answer.aiter_raw():
            found += chunk
            if len(found) > max_length:
                raise DownloadLengthMismatchError(f"it has more than {max_length} bytes")
    return bytes(found)


@asynccontextmanager
async def _answer(url: str) -> AsyncIterator[httpx2.Response]:
    # The deadline around it ends every wait, so the client has none of its own. As for registries, the machine's
    # authorities count and the environment's proxies do not.
    verify = ssl.create_default_context() if url.startswith("https:") else False
    async with (
        httpx2.AsyncClient(timeout=None, follow_redirects=False, verify=verify, trust_env=False) as client,
        client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
    ):
        yield answer


def _from_folder(url: str, max_length: int) -> bytes:
    path = Path(unquote(urlsplit(url).path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise DownloadHTTPError(f"there is no file {path.name}", _MISSING) from None
    except OSError as error:
        raise DownloadError(f"{path.name}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DownloadError(f"{path.name} is no file")
        try:
            found = file.read(max_length + 1)
        except OSError as error:
            raise DownloadError(f"{path.name}: {error.strerror}") from None
    if len(found) > max_length:
        raise DownloadLengthMismatchError(f"it has more than {max_length} bytes")
    return found
