"""Being let in: what to send with a request, and how a 401 is answered.

Registries ask for a login (`Basic`, RFC 7617), or for a token that another
server hands out for one repository (`Bearer`; distribution's
spec/auth/token.md and oauth.md). Tokens are kept until shortly before they
end, per repository and right. Whoever has no login asks for a token without.
"""

import base64
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from mosaic.adapters.clock import Clock
from mosaic.adapters.oci.challenge import Challenge
from mosaic.adapters.oci.credentials import Credentials, Login
from mosaic.adapters.oci.documents import UNREADABLE
from mosaic.adapters.oci.failures import RegistryRefused, RegistryUnreadable
from mosaic.adapters.oci.hosts import Place

_NS = 1_000_000_000
_SHORTEST_SECONDS = 60
"""How long a token lasts that says nothing of it (spec/auth/token.md)."""

_EARLY_SECONDS = 10
_PLAIN_TOKEN = re.compile(r"[\x21-\x7e]+")
_CLIENT = "mosaic"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request needs: a repository, whether it is written, and one that is read besides."""

    repository: str
    push: bool = False
    also_read: str | None = None

    @property
    def words(self) -> list[str]:
        """The scopes as token servers read them."""
        own = f"repository:{self.repository}:{'pull,push' if self.push else 'pull'}"
        return [own] if self.also_read is None else [own, f"repository:{self.also_read}:pull"]


class AskToken(Protocol):
    """Asks a token server: returns the status and the body. Follows nothing, sends nothing else."""

    def __call__(self, url: str, *, headers: Mapping[str, str], form: bytes | None) -> tuple[int, bytes]:
        """Make one request; with a form it is a POST."""
        ...


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""
    expires_in: int = 0


@dataclass(frozen=True, slots=True)
class _Kept:
    header: str
    ends_ns: int | None


class Authority:
    """The `Authorization` headers of one registry. Threads may share it."""

    def __init__(self, place: Place, credentials: Credentials, ask_token: AskToken, clock: Clock) -> None:
        self._place = place
        self._credentials = credentials
        self._ask_token = ask_token
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Scope | None, _Kept] = {}

    def known(self, scope: Scope) -> str | None:
        """Return the header that was good for this last time; None when there is none yet."""
        with self._lock:
            # A login is good for everything, and is kept under no scope.
            kept = self._kept.get(scope) or self._kept.get(None)
        if kept is None or (kept.ends_ns is not None and kept.ends_ns <= self._clock.boot_ns()):
            return None
        return kept.header

    def earn(self, offered: Sequence[Challenge], scope: Scope, *, refused: str | None) -> str:
        """Return a header that answers one of the challenges. `refused` was sent, and is not good (any more).

        Raises:
            RegistryRefused: there is no login for this registry, or it is not accepted.
            CredentialsUnreadable: there may be one, and it cannot be read.
            RegistryUnreadable: the challenge or the token server makes no sense.
        """
        login = self._credentials.login(self._place.host)
        bearer = next((one for one in offered if one.scheme == "bearer"), None)
        if bearer is not None:
            kept = self._token(bearer, scope, login)
            key: Scope | None = scope
        elif any(one.scheme == "basic" for one in offered):
            if login is None or login.identity_token is not None:
                raise RegistryRefused(self._place.host, scope.repository)
            kept, key = _Kept(_basic(login), None), None
        else:
            raise RegistryUnreadable(self._place.host, "it asks for a login in a way that is not known")
        if kept.header == refused:
            raise RegistryRefused(self._place.host, scope.repository)
        with self._lock:
            self._kept[key] = kept
        return kept.header

    def _token(self, challenge: Challenge, scope: Scope, login: Login | None) -> _Kept:
        realm = challenge.parameters.get("realm", "")
        if urlsplit(realm).scheme not in ("http", "https"):
            raise RegistryUnreadable(self._place.host, "it does not say where tokens are handed out")
        # Its name and password go there: at least as safely as to the registry itself.
        realm = self._place.led_to(self._place.address, realm)
        words = list(dict.fromkeys([*scope.words, *challenge.parameters.get("scope", "").split()]))
        query = [("scope", word) for word in words]
        if service := challenge.parameters.get("service", ""):
            query.insert(0, ("service", service))
        if login is not None and login.identity_token is not None:
            status, body = self._ask_token(realm, headers={}, form=_refresh(service, words, login.identity_token))
        else:
            headers = {} if login is None else {"Authorization": _basic(login)}
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
            status, body = self._ask_token(url, headers=headers, form=None)
        if status in (400, 401, 403, 404):
            raise RegistryRefused(self._place.host, scope.repository)
        return self._read(status, body)

    def _read(self, status: int, body: bytes) -> _Kept:
        try:
            answer = msgspec.json.decode(body, type=_Token)
        except UNREADABLE:
            answer = _Token()
        token = answer.token or answer.access_token
        if status != 200 or _PLAIN_TOKEN.fullmatch(token) is None:
            raise RegistryUnreadable(self._place.host, f"its token server answered {status} without a token")
        lasts = max(answer.expires_in, _SHORTEST_SECONDS) - _EARLY_SECONDS
        return _Kept(f"Bearer {token}", self._clock.boot_ns() + lasts * _NS)


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _refresh(service: str, words: Sequence[str], identity_token: str) -> bytes:
    form = {
        "grant_type": "refresh_token",
        "service": service,
        "client_id": _CLIENT,
        "scope": " ".join(words),
        "refresh_token": identity_token,
    }
    return urlencode(form).encode()
