"""Speaking to a bucket: one request a verb, tried again when the store did not answer.

The library is told everything here, so that AWS_* variables of the
environment change nothing, and its own tries are switched off: it does not
repeat a write, and repeating is harmless here, because every caller can tell
its own earlier write from somebody else's.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from mosaic.adapters.blobs import StoreUnavailable, check_length
from mosaic.adapters.s3.failures import RangeIgnored, meaning
from mosaic.adapters.s3.location import S3Credentials, S3Location
from mosaic.core.errors import Refused, Unavailable
from mosaic.wire.blobs import MAX_OBJECT_BYTES

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential
    from obstore.store import S3Store as Client

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_SLOWEST_BYTES_PER_SECOND = 64 * 1024
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_PAGE = 1000
# A client has one timeout for all it sends. A short object must not wait as long as a pack may.
_SENT_SIZES = (1 << 20, 4 << 20, 16 << 20, MAX_OBJECT_BYTES)


class S3SupportMissing(Refused):
    """The library that speaks to S3 stores is not installed."""

    code = "s3-support-missing"

    def __init__(self) -> None:
        super().__init__(
            "this Mosaic was installed without support for S3 stores",
            hint="install it with its extra named s3: `pip install 'mosaic[s3]'`",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """An object's bytes, and the tag that changes with them; None when the store has no tags."""

    data: bytes
    tag: str | None


class S3Bucket:
    """A bucket, opened with a key. Threads may share it.

    No try begins more than `deadline_seconds` after the first one; a try is given up when the store
    is silent for `silent_seconds`, or slower than 64 KiB/s on top of them.

    Errors are those of `mosaic.adapters.blobs` and of `mosaic.adapters.s3.failures`; those which are
    worth another try are Unavailable.
    """

    def __init__(
        self,
        location: S3Location,
        credentials: S3Credentials,
        *,
        deadline_seconds: float = 60.0,
        silent_seconds: float = 30.0,
    ) -> None:
        self.location = location
        self._credentials = credentials
        self._deadline_seconds = deadline_seconds
        self._silent_seconds = silent_seconds
        self._clients: dict[int | None, Client] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def close(self) -> None:
        """Begin no request any more; what is under way comes to its end, without another try."""
        self._closed.set()

    def create(self, key: str, data: bytes) -> str | None:
        """Write an object if there is none of this key, and return its tag.

        Raises:
            ConditionFailed: there is one, or another writer was at it at the same moment.
            ConditionsUnknown: the store takes no such condition.
        """
        client = self._sender(len(data))
        return self._asked(key, lambda: client.put(key, data, mode="create", use_multipart=False)["e_tag"])

    def swap(self, key: str, data: bytes, tag: str) -> str | None:
        """Replace the object whose tag is `tag`, and return its new tag.

        Raises:
            ConditionFailed: its tag is another one, or another writer was at it at the same moment.
            ConditionsUnknown: the store takes no such condition.
        """
        client = self._sender(len(data))
        return self._asked(key, lambda: client.put(key, data, mode={"e_tag": tag}, use_multipart=False)["e_tag"])

    def write(self, key: str, data: bytes) -> None:
        """Write an object, whatever is there."""
        client = self._sender(len(data))
        self._asked(key, lambda: client.put(key, data, mode="overwrite", use_multipart=False))

    def read(self, key: str) -> Found:
        """Return a whole object, or raise ObjectMissing."""
        client = self._reader()

        def once() -> Found:
            answer = client.get(key)
            check_length(key.rpartition("/")[2], answer.meta["size"])
            return Found(answer.bytes().to_bytes(), answer.meta["e_tag"])

        return self._asked(key, once)

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer when the object ends in between.

        Raises:
            ObjectDamaged: the object ends before `offset`.
        """
        client = self._reader()
        try:
            return self._asked(key, lambda: client.get_range(key, start=offset, length=length).to_bytes())
        except RangeIgnored:
            return self.read(key).data[offset : offset + length]

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the keys of all objects in a folder, in no order, and their sizes."""
        client = self._reader()

        def once() -> dict[str, int]:
            pages = client.list(folder, chunk_size=_PAGE)
            return {entry["path"]: entry["size"] for page in pages for entry in page}

        return self._asked(None, once)

    def delete(self, key: str) -> None:
        """Delete an object. One that is not there is deleted already."""
        client = self._reader()
        self._asked(key, lambda: client.delete(key))

    def _asked(self, key: str | None, once: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._translated(key, once)
            except Unavailable:
                # Jitter keeps machines that lost one store from coming back in step.
                wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 (spreads, keeps no secret)
                if time.monotonic() + wait > deadline or self._closed.wait(wait):
                    raise
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _translated(self, key: str | None, once: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        if self._closed.is_set():
            raise StoreUnavailable(self.location.where, "the connection was closed here")
        try:
            return once()
        except (BaseError, OSError) as error:
            name = None if key is None else key.rpartition("/")[2]
            failure = meaning(str(error), where=self.location.where, name=name)
        # Out here, so that the library's text with the store's answer is not this error's context.
        raise failure

    def _reader(self) -> "Client":
        return self._client(None)

    def _sender(self, length: int) -> "Client":
        return self._client(next(size for size in _SENT_SIZES if length <= size))

    def _client(self, sends: int | None) -> "Client":
        with self._lock:
            if sends not in self._clients:
                self._clients[sends] = _connect(self.location, self._credentials, self._options(sends))
            return self._clients[sends]

    def _options(self, sends: int | None) -> "ClientConfig":
        silent = timedelta(seconds=self._silent_seconds)
        moving = timedelta(seconds=(sends or MAX_OBJECT_BYTES) / _SLOWEST_BYTES_PER_SECOND)
        options: ClientConfig = {
            "allow_http": self.location.url.startswith("http:"),
            "connect_timeout": min(silent, timedelta(seconds=_CONNECT_SECONDS)),
            "timeout": silent + moving,
        }
        if sends is None:
            # Not for writes: the library counts the time in which the object is sent as silence of the store.
            options["read_timeout"] = silent
        if self.location.ca_pem is not None:
            options["root_certificate"] = self.location.ca_pem
        if self.location.is_loopback:
            # A proxy of the environment would be asked for this machine's own store, without encryption.
            options["proxy_url"] = self.location.url
            options["proxy_excludes"] = "localhost,127.0.0.0/8,::1"
        return options


def _connect(location: S3Location, credentials: S3Credentials, options: "ClientConfig") -> "Client":
    try:
        # 15 MB, which only those pay who use an S3 store.
        from obstore.store import S3Store as Client
    except ImportError:
        raise S3SupportMissing from None

    def key() -> "S3Credential":
        return {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "token": credentials.session_token,
            "expires_at": None,
        }

    return Client(
        location.bucket,
        endpoint=location.url,
        aws_endpoint_url_s3=location.url,
        region=location.region,
        virtual_hosted_style_request=location.addressing == "virtual",
        conditional_put="etag",
        skip_signature=False,
        unsigned_payload=False,
        s3_express=False,
        # Not every store has the request that deletes many.
        disable_bulk_delete=True,
        credential_provider=key,
        client_options=options,
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=0)},
    )
