"""Asking a Hive's API, as the command line does (contract: `mosaic.wire.api`).

Synchronous, a deadline on every request. A refusal comes back as the error
that the Hive raised: the same code, sentence and hint, in the branch of the
tree that its status says.
"""

import contextlib
import hashlib
import os
import secrets
import ssl
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Conflict, MosaicError, NotFound, Refused, Unavailable
from mosaic.crypto import signing
from mosaic.wire.command import ACTION_ANSWER_SECONDS
from mosaic.wire.enrol import IDENTITY_CONTEXT, HiveIdentity
from mosaic.wire.problem import Problem

Answer = TypeVar("Answer")

DEADLINE_SECONDS = 30.0
SLOW_SECONDS = 120.0
ACTION_SECONDS = ACTION_ANSWER_SECONDS + 20.0
"""For requests that the Hive answers only after a Device, a repository or a registry did."""

_ACTION = "/actions/"
_SLOW = ("/logs", "/restart", "/refresh", "/link/doctor", "/api/catalogs", "/api/installations")

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class HiveSilent(Unavailable):
    """The Hive did not answer."""

    code = "hive-silent"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the Hive at {url} does not answer: {reason}",
            hint="start it with `mosaic up`, or log in to the right one with `mosaic login URL`",
        )


class HiveUnreadable(Unavailable):
    """Something answered that is not a Hive of this version."""

    code = "hive-unreadable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"what answers at {url} is not a Hive that this program understands: {reason}",
            hint="check the address; both sides need the same version of Mosaic (`mosaic --version`)",
        )


class HiveInTheClear(Refused):
    """Plain HTTP beyond this machine."""

    code = "hive-in-the-clear"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} is not encrypted and not on this machine",
            hint="use the Hive's https:// address; `mosaic up --listen ADDR --url https://…` serves one",
        )


class HiveImpostor(Refused):
    """The Hive's key is not the one that was pinned, or it cannot prove its key."""

    code = "hive-impostor"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"what answers at {url} cannot prove to be the Hive that this machine knows",
            hint="do not type a password; if the Hive was set up anew, run `mosaic logout` and `mosaic login`",
        )


class HiveClient:
    """One Hive. `ca_pem` is what to trust for https (None: public authorities); used in a `with` block."""

    def __init__(self, url: str, *, token: str | None = None, ca_pem: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = open_http(self.url, token=token, ca_pem=ca_pem)

    def __enter__(self) -> "HiveClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, answer: type[Answer], *, query: dict[str, str] | None = None) -> Answer:
        """Ask for something. `answer` is the type of the body."""
        return self._decoded(self._sent("GET", path, query=query), answer)

    def send(self, method: str, path: str, body: msgspec.Struct | None, answer: type[Answer]) -> Answer:
        """Change something and return what is true afterwards."""
        return self._decoded(self._sent(method, path, body=body), answer)

    def order(self, method: str, path: str, body: msgspec.Struct | None = None) -> None:
        """Change something whose answer has no body."""
        self._sent(method, path, body=body)

    def upload(self, path: str, content: Path | bytes) -> None:
        """Put a file, however large, or some bytes where they are kept. Each piece has the deadline."""
        headers = {"Content-Type": "application/octet-stream"}
        with contextlib.ExitStack() as opened:
            body = content if isinstance(content, bytes) else opened.enter_context(content.open("rb"))
            self._answered("PUT", path, content=body, headers=headers)

    def download(self, path: str, to: Path, *, query: dict[str, str]) -> None:
        """Fetch a file, which appears whole and durable or not at all. Each piece has the deadline."""
        draft = to.with_name(f".{to.name}.new")
        draft.unlink(missing_ok=True)
        try:
            with (
                self._http.stream("GET", path, params=query, timeout=SLOW_SECONDS) as response,
                draft.open("xb") as file,
            ):
                if not response.is_success:
                    raise refusal(self.url, response.status_code, response.read())
                for piece in response.iter_bytes():
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(to)
            sync_folder(to.parent)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise HiveSilent(self.url, str(error) or type(error).__name__) from None
        finally:
            draft.unlink(missing_ok=True)

    def identity(self) -> HiveIdentity:
        """Ask who the Hive is, and check that it has the key that it names. Raises HiveImpostor."""
        nonce = secrets.token_hex(32)
        identity = self.get("/api/hive", HiveIdentity, query={"nonce": nonce})
        if identity.nonce != nonce or not _is_proved(identity):
            raise HiveImpostor(self.url)
        return identity

    def _sent(
        self, method: str, path: str, *, body: msgspec.Struct | None = None, query: dict[str, str] | None = None
    ) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        timeout = SLOW_SECONDS if path.endswith(_SLOW) else DEADLINE_SECONDS
        if _ACTION in path:
            timeout = ACTION_SECONDS
        return self._answered(method, path, content=content, headers=headers, query=query, timeout=timeout)

    def _answered(
        self,
        method: str,
        path: str,
        *,
        content: bytes | BinaryIO | None,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
        timeout: float = DEADLINE_SECONDS,
    ) -> httpx2.Response:
        try:
            response = self._http.request(method, path, content=content, headers=headers, params=query, timeout=timeout)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise HiveSilent(self.url, str(error) or type(error).__name__) from None
        if response.is_success:
            return response
        raise refusal(self.url, response.status_code, response.content)

    def _decoded(self, response: httpx2.Response, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.MsgspecError as error:
            raise HiveUnreadable(self.url, str(error)) from None


def segment(name: str) -> str:
    """Return a name as one segment of a path, whatever is in it."""
    return quote(name, safe="")


def open_http(url: str, *, token: str | None, ca_pem: str | None) -> httpx2.Client:
    """Return what asks a Hive, with this bearer token. Raises as `check_address`."""
    check_address(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trusted = ssl.create_default_context(cadata=ca_pem) if url.startswith("https:") else False
    # A proxy from the environment must not see a token, and never reaches this machine's loopback anyway.
    return httpx2.Client(base_url=url, headers=headers, verify=trusted, timeout=DEADLINE_SECONDS, trust_env=False)


def check_address(url: str) -> None:
    """Refuse what is not an address, and plain HTTP beyond this machine."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise HiveUnreadable(url, f"it is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HiveUnreadable(url, "a Hive's address begins with https:// or http://")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise HiveInTheClear(url)


def is_loopback(url: str) -> bool:
    """Return whether an address leads to the machine that asks, whichever that is."""
    return urlsplit(url).hostname in _LOOPBACK


def read_untrusted_identity(url: str) -> HiveIdentity:
    """Ask a Hive whose authority is unknown yet who it is.

    The connection is believed by nobody: what comes back counts because the
    Hive's own key signed it, and that key is compared with a fingerprint.
    Raises HiveImpostor when the signature is wrong.
    """
    check_address(url)
    nonce = secrets.token_hex(32)
    try:
        with httpx2.Client(verify=False, timeout=DEADLINE_SECONDS, trust_env=False) as http:
            response = http.get(url.rstrip("/") + "/api/hive", params={"nonce": nonce})
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise HiveSilent(url, str(error) or type(error).__name__) from None
    if not response.is_success:
        raise refusal(url, response.status_code, response.content)
    try:
        identity = msgspec.json.decode(response.content, type=HiveIdentity)
    except msgspec.MsgspecError as error:
        raise HiveUnreadable(url, str(error)) from None
    if identity.nonce != nonce or not _is_proved(identity):
        raise HiveImpostor(url)
    return identity


def fingerprint(hive_key: str) -> str:
    """Return the SHA-256 (hex) of the Hive's public key, as join tokens carry it."""
    return hashlib.sha256(bytes.fromhex(hive_key)).hexdigest()


def refusal(url: str, status: int, body: bytes) -> MosaicError:
    """Return the error that a refused request stands for."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        return HiveUnreadable(url, f"it answered {status} without saying why")
    branch = _branch(status)
    # The code is the Hive's own; callers catch the branch.
    leaf: type[MosaicError] = type(branch.__name__, (branch,), {"code": problem.code})
    return leaf(problem.detail, hint=problem.hint)


def _branch(status: int) -> type[MosaicError]:
    if status in (401, 403, 400, 422, 429):
        return Refused
    if status in (404, 410):
        return NotFound
    if status == 409:
        return Conflict
    return Unavailable if status in (502, 503, 504) else MosaicError


def _is_proved(identity: HiveIdentity) -> bool:
    ca_hash = hashlib.sha256(identity.ca_pem.encode()).hexdigest() if identity.ca_pem else ""
    try:
        signature = bytes.fromhex(identity.signature)
    except ValueError:
        return False
    message = f"{identity.nonce}\n{ca_hash}".encode()
    return signing.verify(identity.key, IDENTITY_CONTEXT, message, signature)
