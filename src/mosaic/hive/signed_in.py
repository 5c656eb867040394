"""Who is asking: an API token or the Console's session, and the way to the login page without either.

`signed_in` is the dependency of API handlers (401 without a valid token or
cookie, 403 when a cookie comes without its CSRF header on a change).
`signed_in_or_login` is the dependency of pages (redirects to `/login?next=`).
Both give a `SignedIn`.
"""

from dataclasses import dataclass, field
from typing import Any

from litestar import Request, Response
from litestar.connection import ASGIConnection

from mosaic.core.ids import AccountId

COOKIE = "mosaic_session"
CSRF_HEADER = "X-Mosaic-CSRF"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The account that asks. `csrf` is what a page puts into CSRF_HEADER of every request that changes something."""

    account: AccountId
    name: str
    csrf: str = field(repr=False)
    token: str = field(repr=False)


async def signed_in(request: "Request[Any, Any, Any]") -> SignedIn:
    """For API handlers. Raises NotSignedIn, CsrfMissing."""
    raise NotImplementedError


async def signed_in_or_login(request: "Request[Any, Any, Any]") -> SignedIn:
    """For pages. Raises LoginNeeded, which the app answers with a redirect to the login page."""
    raise NotImplementedError


def start_browser_session(response: "Response[Any]", token: str, connection: "ASGIConnection[Any, Any, Any, Any]") -> None:
    """Set the session cookie: HttpOnly, SameSite=Strict, Secure over HTTPS."""
    raise NotImplementedError


def end_browser_session(response: "Response[Any]") -> None:
    """Make the browser forget the session cookie."""
    raise NotImplementedError
