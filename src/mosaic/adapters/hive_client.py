"""What a Device asks its Hive over HTTP: joining, volumes, bundles (contract: `mosaic.wire.enrol`).

Synchronous: callers with an event loop ask from a thread. Refusals and
silence are the errors of `mosaic.adapters.api_client`.
"""

from types import TracebackType
from typing import TypeVar

import httpx2
import msgspec

from mosaic.adapters.api_client import HiveSilent, HiveUnreadable, open_http, refusal, segment
from mosaic.wire.account import AccountKeys
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.enrol import Enrol, Enrolled, JoinSecret, NewVolume
from mosaic.wire.recollection import PATH as RECOLLECTION
from mosaic.wire.recollection import Recollection

Answer = TypeVar("Answer")


class DeviceClient:
    """One Hive, before joining or with the bearer token of a session. Close it, or use it in a `with` block."""

    def __init__(self, url: str, *, ca_pem: str | None, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = open_http(self.url, token=token, ca_pem=ca_pem)

    def account_keys(self, secret: JoinSecret) -> AccountKeys:
        """Return the account's wrapped keys; the join token stays good."""
        return self._json("POST", "/api/enrol/keys", AccountKeys, secret)

    def enrol(self, request: Enrol) -> Enrolled:
        """Join. The token is used up by it."""
        return self._json("POST", "/api/enrol", Enrolled, request)

    def this_device(self) -> Enrolled:
        """Return how the Hive sees this Device now."""
        return self._json("GET", "/api/device", Enrolled)

    def register_volume(self, installation: str, kind: str, volume: NewVolume) -> VolumeAssignment:
        """Register a key pair and return the one that counts: the first that was registered."""
        path = f"/api/device/installations/{segment(installation)}/volumes/{segment(kind)}"
        return self._json("PUT", path, VolumeAssignment, volume)

    def bundle(self, digest: str) -> bytes:
        """Fetch an app's bundle. Checking its digest is the caller's."""
        return self._ask("GET", f"/api/device/bundles/{segment(digest)}")

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
        raw = self._ask(method, path, body)
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.MsgspecError as error:
            raise HiveUnreadable(self.url, str(error)) from error

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
