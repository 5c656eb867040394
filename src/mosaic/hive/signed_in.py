"""Who is asking: an API token or the Console's session, and the way to the login page without either.

`signed_in` is the dependency of API handlers (401 without a valid token or
cookie, 403 when a cookie comes with a change from a page that is not ours, or
without its CSRF header).
`signed_in_or_login` is the dependency of pages (redirects to `/login?next=`).
Both give a `SignedIn`. `device_session` is the dependency of what Devices ask,
`reader` of the ciphertext that an account and its Devices may both read.
"""

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar
from urllib.parse import quote

from litestar import Response
from litestar.di import NamedDependency

from mosaic.adapters.sql import devices, sessions, tokens
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId
from mosaic.crypto.tokens import hash_token, same
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.origin import OriginForeign, is_ours
from mosaic.hive.problems import LoginNeeded
from mosaic.hive.runtime import Hive

COOKIE = "mosaic_session"
CSRF_HEADER = "X-Mosaic-CSRF"
SESSION_SECONDS = 30 * 24 * 3600
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Body = TypeVar("Body")


class NotSignedIn(Refused):
    """No valid token came with the request."""

    code = "not-signed-in"

    def __init__(self) -> None:
        super().__init__("this needs an account, and no valid token came with it", hint="log in: `mosaic login URL`")


class CsrfMissing(Refused):
    """A change came with the cookie alone, as another site could send it."""

    code = "csrf-missing"

    def __init__(self) -> None:
        super().__init__(
            f"a change by the Console's session needs the header {CSRF_HEADER}", hint="load the page again"
        )


class SessionTokenUnknown(Refused):
    """The Device's token is not, or no longer, its newest session's."""

    code = "session-token-unknown"

    def __init__(self) -> None:
        super().__init__(
            "this token is not the newest session's of any device", hint="the device gets a new one when it connects"
        )


class DeviceNotAdmitted(Refused):
    """The Device has joined, and its owner has not admitted it."""

    code = "device-not-admitted"

    def __init__(self) -> None:
        super().__init__(
            "the owner has not admitted this device yet", hint="admit it in the Console, or `mosaic device admit NAME`"
        )


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The account that asks. `csrf` is what a page puts into CSRF_HEADER of every request that changes something."""

    account: AccountId
    name: str
    csrf: str = field(repr=False)
    token: str = field(repr=False)


Owner: TypeAlias = NamedDependency[SignedIn]
"""The account that asks, as the parameter `who` of a handler."""

Session: TypeAlias = NamedDependency[SpeaksFor]
"""The Device that asks, as the parameter `session` of a handler."""


Reader: TypeAlias = NamedDependency[AccountId]
"""Whose data is read, as the parameter `reader` of a handler."""


async def signed_in(request: Asked, hive: TheHive) -> SignedIn:
    """For API handlers. Raises NotSignedIn, OriginForeign, CsrfMissing."""
    found = await _lookup(request, hive)
    if found is None:
        raise NotSignedIn
    return _require_meant(request, *found)


async def signed_in_or_login(request: Asked, hive: TheHive) -> SignedIn:
    """For pages. Raises LoginNeeded, which the app answers with a redirect to the login page."""
    found = await _lookup(request, hive)
    if found is None:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise LoginNeeded(f"/login?next={quote(wanted, safe='/')}")
    return found[0]


async def device_session(request: Asked, hive: TheHive) -> SpeaksFor:
    """For what Devices ask with the token of their session. Raises SessionTokenUnknown, DeviceNotAdmitted."""
    token = _bearer(request)
    found = await hive.read(lambda tx: sessions.by_token(tx, hash_token(token))) if token else None
    if found is None:
        raise SessionTokenUnknown
    return found


async def reader(request: Asked, hive: TheHive) -> AccountId:
    """For reading ciphertext: by an admitted Device, or by the account itself from wherever it is signed in.

    Raises SessionTokenUnknown, DeviceNotAdmitted, OriginForeign, CsrfMissing.
    """
    try:
        return require_admitted(await device_session(request, hive)).account
    except SessionTokenUnknown:
        found = await _lookup(request, hive)
        if found is None:
            raise
        return _require_meant(request, *found).account


def require_admitted(who: SpeaksFor) -> SpeaksFor:
    """Return it. Raises DeviceNotAdmitted."""
    if not who.admitted:
        raise DeviceNotAdmitted
    return who


def require_not_removed(tx: Tx, who: SpeaksFor) -> None:
    """Return when the Device is still one of its account's. Raises SessionTokenUnknown."""
    device = devices.get(tx, who.holder.device)
    if device is None or device.removed:
        raise SessionTokenUnknown


def browser_token(token: str, scheme: str) -> str:
    """Return a browser session's token: it says over what the session began, and is good over that alone.

    Plain HTTP is served on loopback, where every app at another port is sent the
    cookie; what one catches there must not open a Hive that others reach over HTTPS.
    """
    return f"{scheme}.{token}"


def start_browser_session(response: Response[Body], token: str, request: Asked) -> None:
    """Set the session cookie: HttpOnly, SameSite=Strict, Secure over HTTPS."""
    response.set_cookie(
        COOKIE,
        token,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        max_age=SESSION_SECONDS,
    )


def end_browser_session(response: Response[Body]) -> None:
    """Make the browser forget the session cookie."""
    response.delete_cookie(COOKIE, path="/")


async def _lookup(request: Asked, hive: Hive) -> tuple[SignedIn, bool] | None:
    bearer = _bearer(request)
    token = bearer or request.cookies.get(COOKIE, "")
    if not token:
        return None
    now_ns = hive.clock.wall_ns()
    found = await hive.read(lambda tx: tokens.bearer(tx, hash_token(token), now_ns=now_ns))
    # A browser's session is good as a cookie only, an API token as a bearer only.
    if found is None or found.browser == bool(bearer):
        return None
    if found.browser and token.partition(".")[0] != request.url.scheme:
        return None
    return SignedIn(found.account, found.name, hive.key.csrf(token), token), found.browser


def _require_meant(request: Asked, who: SignedIn, by_cookie: bool) -> SignedIn:
    """Return who asks. A browser sends the cookie by itself: a change has to come from our page, and to prove it."""
    if by_cookie and request.method not in _SAFE:
        if not is_ours(request):
            raise OriginForeign
        if not same(request.headers.get(CSRF_HEADER, ""), who.csrf):
            raise CsrfMissing
    return who


def _bearer(request: Asked) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
