"""Refusals as RFC 9457 problem details, as every API of Mosaic's gives them; never a stack trace.

An error's branch decides its status, a few codes have their own, which each
API says itself.
"""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException

from mosaic.adapters import log
from mosaic.core.errors import Conflict, Corrupt, MosaicError, NotFound, Refused, Unavailable
from mosaic.wire.problem import Problem

Asked: TypeAlias = Request[object, object, State]

_BRANCHES: tuple[tuple[type[MosaicError], int], ...] = (
    (Refused, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    (Corrupt, 500),
)


def status_of(error: MosaicError, codes: Mapping[str, int]) -> int:
    """Return the HTTP status of an error."""
    if error.code in codes:
        return codes[error.code]
    return next((status for branch, status in _BRANCHES if isinstance(error, branch)), 500)


def problem_of(error: MosaicError, codes: Mapping[str, int]) -> Problem:
    """Return the body that says what an error says."""
    title = (type(error).__doc__ or error.code).split("\n")[0]
    return Problem(f"/errors/{error.code}", title, status_of(error, codes), error.message, error.code, error.hint)


def answer_mosaic(error: MosaicError, codes: Mapping[str, int]) -> Response[bytes]:
    """Answer one of Mosaic's own errors."""
    problem = problem_of(error, codes)
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


def answer_unexpected(asked: Asked, error: Exception, *, who: str) -> Response[bytes]:
    """Answer a fault of our own: logged with its trace here, told to nobody."""
    log.mistake("request_broke", error, path=asked.url.path, method=asked.method)
    detail = f"the {who} made a mistake with this request"
    hint = f"look at the {who}'s log, and report it with the lines around `request_broke`"
    return _response(Problem("/errors/internal", detail, 500, detail, "internal", hint))


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
