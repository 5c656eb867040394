"""The gateway's refusals, as `mosaic.adapters.problem_answers` has them: which codes have a status of their own."""

from litestar import Response

from mosaic.adapters import problem_answers
from mosaic.adapters.problem_answers import Asked
from mosaic.core.errors import MosaicError
from mosaic.gateway.limits import AskedTooOften, LinkRegistersTooOften

_CODES = {
    "link-token-unknown": 401,
    "hive-request-unsigned": 401,
    "hive-request-elsewhere": 401,
    "hive-request-late": 401,
    "hive-not-allowed": 403,
    "name-not-of-link": 403,
    "name-not-of-hive": 403,
    "asked-too-often": 429,
    "link-registers-too-often": 429,
}


def answer_mosaic(_asked: Asked, error: MosaicError) -> Response[bytes]:
    """Answer one of Mosaic's own errors."""
    answer = problem_answers.answer_mosaic(error, _CODES)
    if isinstance(error, AskedTooOften | LinkRegistersTooOften):
        answer.set_header("Retry-After", str(error.wait_seconds))
    return answer


def answer_unexpected(asked: Asked, error: Exception) -> Response[bytes]:
    """Answer a fault of our own: logged with its trace here, told to nobody."""
    return problem_answers.answer_unexpected(asked, error, who="gateway")
