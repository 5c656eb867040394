"""What a Device asks its Hive over HTTP: joining, volumes, bundles (contract: `mosaic.wire.enrol`).

Synchronous: callers with an event loop ask from a thread. A refusal comes
back as `HiveRefused` with the Hive's own code, sentence and hint.
"""

import ssl
from types import TracebackType
from typing import TypeVar

import httpx2
import msgspec

from mosaic.core.errors import Fenced, MosaicError, Unavailable
from mosaic.wire.account import AccountKeys
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.enrol import Enrol, Enrolled, HiveIdentity, JoinSecret, NewVolume
from mosaic.wire.problem import Problem

Answer = TypeVar("Answer")

DEADLINE_SECONDS = 30.0
MAX_BUNDLE_BYTES = 256 * 1024 * 1024


class HiveSilent(Unavailable):
    """The Hive did not answer. Whether it did what was asked is unknown: ask again."""

    code = "hive-silent"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the Hive at {url} does not answer: {reason}", hint="is `mosaic hive serve` running, and reachable?"
        )


class HiveRefused(MosaicError):
    """The Hive said no. `problem` is its answer."""

    code = "hive-refused"

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, hint=problem.hint)
        self.problem = problem


class HiveFenced(Fenced):
    """Somebody else holds the lease now."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail, hint=problem.hint)


class HiveClient:
    """One Hive, with or without the bearer token of a session. Use it as a context manager, or close it."""

    def __init__(self, url: str, *, ca_pem: str | None = None, token: str | None = None, verify: bool = True) -> None:
        """`verify` is False for one question only: who are you, before the answer's signature was checked."""
        self.url = url.rstrip("/")
        trust: ssl.SSLContext | bool = ssl.create_default_context(cadata=ca_pem) if ca_pem else verify
        if not self.url.startswith("https:"):
            trust = False
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.Client(
            base_url=self.url, headers=headers, timeout=DEADLINE_SECONDS, verify=trust, trust_env=False
        )

    def identity(self, nonce: str) -> HiveIdentity:
        """Ask the Hive to sign `nonce`. Checking the signature is the caller's."""
        return self._json("GET", f"/api/hive?nonce={nonce}", HiveIdentity)

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
        return self._json("PUT", f"/api/device/installations/{installation}/volumes/{kind}", VolumeAssignment, volume)

    def bundle(self, digest: str) -> bytes:
        """Fetch an app's bundle. Checking its digest is the caller's."""
        body = self._ask("GET", f"/api/device/bundles/{digest}")
        if len(body) > MAX_BUNDLE_BYTES:
            raise HiveSilent(self.url, f"its bundle has more than {MAX_BUNDLE_BYTES} bytes")
        return body

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> "HiveClient":
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
            raise HiveSilent(self.url, f"its answer to {method} {path} is not ours ({error})") from error

    def _ask(self, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        content = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            response = self._client.request(method, path, content=content, headers=headers)
        except httpx2.HTTPError as error:
            raise HiveSilent(self.url, str(error) or type(error).__name__) from error
        if response.is_success:
            return response.content
        raise _refusal(self.url, response.status_code, response.content)


def _refusal(url: str, status: int, body: bytes) -> MosaicError:
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return HiveSilent(url, f"it answered {status}")
    if problem.code == Fenced.code:
        return HiveFenced(problem)
    return HiveSilent(url, problem.detail) if status >= 500 else HiveRefused(problem)
