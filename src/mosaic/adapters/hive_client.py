"""What a Device asks its Hive over HTTP: joining, volumes, apps.

Contract: `mosaic.wire.enrol` and `mosaic.wire.packages`. Synchronous: callers with an
event loop ask from a thread. Refusals and silence are the errors of `mosaic.adapters.api_client`.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import httpx2
import msgspec

from mosaic.adapters.api_client import HiveSilent, HiveUnreadable, open_http, refusal, segment
from mosaic.adapters.bundle import MAX_BYTES as MAX_FILES_BYTES
from mosaic.adapters.bundle import MAX_ENTRIES
from mosaic.adapters.hive_packages import Told, fetch_blob
from mosaic.core.oci_types import Descriptor
from mosaic.wire.account import AccountKeys
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.enrol import Enrol, Enrolled, HiveIdentity, JoinSecret, NewVolume
from mosaic.wire.packages import MAX_CATALOG_BYTES, CatalogServed
from mosaic.wire.recollection import PATH as RECOLLECTION
from mosaic.wire.recollection import Recollection

Answer = TypeVar("Answer")

MAX_BUNDLE_BYTES = MAX_FILES_BYTES + MAX_ENTRIES * 2048
"""A plain bundle with its headers is never more, and a manifest is much less."""

_BOUNDED_SECONDS = 120.0


class DeviceClient:
    """One Hive, before joining or with the bearer token of a session. Close it, or use it in a `with` block."""

    def __init__(self, url: str, *, ca_pem: str | None, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = open_http(self.url, token=token, ca_pem=ca_pem)

    def hive(self) -> HiveIdentity:
        """Return what the Hive says of itself to anybody. Nothing of it is proved."""
        return self._json("GET", "/api/hive", HiveIdentity)

    def account_keys(self, secret: JoinSecret) -> AccountKeys:
        """Return the account's wrapped keys; the join token stays good."""
        return self._json("POST", "/api/enrol/keys", AccountKeys, secret)

    def enrol(self, request: Enrol) -> Enrolled:
        """Join. The token is used up by it."""
        return self._json("POST", "/api/enrol", Enrolled, request)

    def this_device(self) -> Enrolled:
        """Return how the Hive sees this Device now."""
        return self._json("GET", "/api/device", Enrolled)

    def tell_keys(self, proof: KeyProof) -> None:
        """Tell what this Device says of its keys, in place of what it said before."""
        self._ask("PUT", "/api/device/keys", proof)

    def register_volume(self, installation: str, kind: str, volume: NewVolume) -> VolumeAssignment:
        """Register a key pair and return the one that counts: the first that was registered."""
        path = f"/api/device/installations/{segment(installation)}/volumes/{segment(kind)}"
        return self._json("PUT", path, VolumeAssignment, volume)

    def bundle(self, digest: str) -> bytes:
        """Fetch an app's manifest, or its plain bundle. Checking its digest is the caller's."""
        return self._bounded(f"/api/device/bundles/{segment(digest)}", MAX_BUNDLE_BYTES)

    def package_blob(self, package: str, blob: Descriptor, into: Path, *, told: Told) -> None:
        """Put a blob of a package (its manifest's digest) into a file; see `hive_packages.fetch_blob`."""
        fetch_blob(self._http, self.url, package, blob, into, told=told)

    def catalog(self, name: str) -> CatalogServed:
        """Fetch a catalog's metadata, and what the owner signed of it. Believing it is the caller's."""
        raw = self._bounded(f"/api/device/catalogs/{segment(name)}", MAX_CATALOG_BYTES)
        return self._decoded(raw, CatalogServed)

    def recollect(self, told: Recollection) -> None:
        """Tell a Hive that lost some of its past what this Device knows."""
        self._ask("POST", RECOLLECTION, told)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "DeviceClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _json(self, method: str, path: str, answer: type[Answer], body: msgspec.Struct | None = None) -> Answer:
        return self._decoded(self._ask(method, path, body), answer)

    def _decoded(self, raw: bytes, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.MsgspecError as error:
            raise HiveUnreadable(self.url, str(error)) from error

    def _bounded(self, path: str, most_bytes: int) -> bytes:
        """Return an answer that is larger than most, counted while it comes."""
        deadline, content = time.monotonic() + _BOUNDED_SECONDS, bytearray()
        try:
            with self._http.stream("GET", path, headers={"Accept-Encoding": "identity"}) as response:
                for piece in response.iter_raw():
                    content += piece
                    if len(content) > most_bytes:
                        raise HiveUnreadable(self.url, f"it sent more than {most_bytes // 2**20} MiB for {path}")
                    if time.monotonic() > deadline:
                        raise HiveSilent(self.url, f"it sent {len(content)} bytes in {_BOUNDED_SECONDS:g} seconds")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, RuntimeError) as error:
            raise HiveSilent(self.url, str(error) or type(error).__name__) from error
        if response.is_success:
            return bytes(content)
        raise refusal(self.url, response.status_code, bytes(content))

    def _ask(self, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = self._http.request(method, path, content=content, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError) as error:
            # RuntimeError: the session ended while somebody asked, and the client was closed.
            raise HiveSilent(self.url, str(error) or type(error).__name__) from error
        if response.is_success:
            return response.content
        raise refusal(self.url, response.status_code, response.content)
