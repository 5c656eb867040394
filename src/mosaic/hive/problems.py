"""The Hive's refusals, as `mosaic.adapters.problem_answers` has them: which codes have a status of their own."""

from litestar import Response
from litestar.openapi import ResponseSpec
from litestar.response import Redirect

from mosaic.adapters import problem_answers
from mosaic.core.errors import MosaicError
from mosaic.hive.http import Asked
from mosaic.wire.problem import Problem

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
    "not-the-hives-owner": 403,
    "login-too-often": 429,
    "hive-lacks-room": 507,
    "object-too-large": 413,
    "range-unsatisfiable": 416,
    "range-beyond-end": 416,
    "head-unreadable": 422,
    "store-full": 507,
}


DESCRIBED = {
    400: ResponseSpec(Problem, description="The request has the wrong shape.", media_type="application/problem+json")
}
"""For routes whose bodies have bytes: that they are base64 is more than a schema says."""


class LoginNeeded(Exception):
    """A page was asked for by nobody that is known; the answer is the way to the login page."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self.location = location


def status_of(error: MosaicError) -> int:
    """Return the HTTP status of an error."""
    return problem_answers.status_of(error, _CODES)


def problem_of(error: MosaicError) -> Problem:
    """Return the body that says what an error says."""
    return problem_answers.problem_of(error, _CODES)


def answer_mosaic(_asked: Asked, error: MosaicError) -> Response[bytes]:
    """Answer one of Mosaic's own errors."""
    return problem_answers.answer_mosaic(error, _CODES)


def answer_unexpected(asked: Asked, error: Exception) -> Response[bytes]:
    """Answer a fault of our own: logged with its trace here, told to nobody."""
    return problem_answers.answer_unexpected(asked, error, who="Hive")


def answer_login_needed(_asked: Asked, error: LoginNeeded) -> Redirect:
    """Send the browser to the login page."""
    return Redirect(error.location, status_code=303)
