"""Every refusal as RFC 9457 problem details; never a stack trace.

An error's branch decides its status, a few codes have their own. What is not
one of Mosaic's errors is logged here, and answered with 500 and nothing else.
"""

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect

from mosaic.adapters import log
from mosaic.core.errors import Conflict, Corrupt, MosaicError, NotFound, Refused, Unavailable
from mosaic.hive.http import Asked
from mosaic.wire.problem import Problem

_BRANCHES: tuple[tuple[type[MosaicError], int], ...] = (
    (Refused, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    (Corrupt, 500),
)
_CODES = {
    "not-signed-in": 401,
    "login-wrong": 401,
    "session-token-unknown": 401,
    "join-token-unknown": 401,
    "setup-code-wrong": 403,
    "csrf-missing": 403,
    "origin-foreign": 403,
    "passphrase-differs": 403,
    "device-not-admitted": 403,
    "join-token-used": 409,
    "join-token-expired": 409,
    "device-name-taken": 409,
    "installation-name-taken": 409,
    "setup-done": 409,
    "device-in-use": 409,
    "login-too-often": 429,
    "object-too-large": 413,
    "range-unsatisfiable": 416,
    "head-unreadable": 422,
    "store-full": 507,
}


class LoginNeeded(Exception):
    """A page was asked for by nobody that is known; the answer is the way to the login page."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def status_of(error: MosaicError) -> int:
    """Return the HTTP status of an error."""
    if error.code in _CODES:
        return _CODES[error.code]
    return next((status for branch, status in _BRANCHES if isinstance(error, branch)), 500)


def problem_of(error: MosaicError) -> Problem:
    """Return the body that says what an error says."""
    title = (type(error).__doc__ or error.code).split("\n")[0]
    return Problem(f"/errors/{error.code}", title, status_of(error), error.message, error.code, error.hint)


def answer_mosaic(_asked: Asked, error: MosaicError) -> Response[bytes]:
    """Answer one of Mosaic's own errors."""
    problem = problem_of(error)
    if problem.status >= 500:
        log.warning("request_failed", code=error.code, reason=error.message)
    return _response(problem)


def answer_http(_asked: Asked, error: HTTPException) -> Response[bytes]:
    """Answer what the web framework refused: an unknown path, a wrong method, a body of the wrong shape."""
    if isinstance(error, ValidationException):
        return _response(_invalid(_fields(error)))
    if error.status_code == 400:
        return _response(_invalid(error.detail))
    code, detail, hint = _HTTP.get(error.status_code, ("refused", error.detail, "see /schema for what can be asked"))
    response = _response(Problem(f"/errors/{code}", detail, error.status_code, detail, code, hint))
    for name, value in (error.headers or {}).items():
        response.set_header(name, value)
    return response


_HTTP = {
    404: ("not-found", "there is nothing at this address", "see /schema for what can be asked"),
    405: ("method-not-allowed", "this address does not take this method", "see /schema for what can be asked"),
    413: ("too-large", "the request is too large", "send less at once"),
}


def answer_unexpected(asked: Asked, error: Exception) -> Response[bytes]:
    """Answer a fault of our own: logged with its trace here, told to nobody."""
    log.mistake("request_broke", error, path=asked.url.path, method=asked.method)
    detail = "the Hive made a mistake with this request"
    hint = "look at the Hive's log, and report it with the lines around `request_broke`"
    return _response(Problem("/errors/internal", detail, 500, detail, "internal", hint))


def answer_login_needed(_asked: Asked, error: LoginNeeded) -> Redirect:
    """Send the browser to the login page."""
    return Redirect(error.location, status_code=303)


def _invalid(what: str) -> Problem:
    hint = "see /schema for the shape of this request"
    return Problem("/errors/invalid", "The request has the wrong shape.", 400, what, "invalid", hint)


def _fields(error: ValidationException) -> str:
    """Say in one sentence which field is wrong, and how."""
    for extra in error.extra if isinstance(error.extra, list) else []:
        if isinstance(extra, dict):
            where = str(extra.get("key") or "the body")
            return f"{where}: {str(extra.get('message', error.detail))[:300]}"
    return error.detail[:300]


def _response(problem: Problem) -> Response[bytes]:
    headers = {"Retry-After": "2"} if problem.status == 503 else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type="application/problem+json",
        headers=headers,
    )
