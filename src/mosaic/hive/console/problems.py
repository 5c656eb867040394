"""Refusals as pages: what is true, and what to do.

`refused` is for the Console's own routes. `failed` and `broke` are for the
whole application: what is asked under /api and /schema is asked by programs,
and gets problem details.
"""

from litestar import Response
from litestar.exceptions import HTTPException

from mosaic.adapters.problem_answers import answer_http
from mosaic.core.errors import MosaicError
from mosaic.hive.console import render
from mosaic.hive.http import Asked
from mosaic.hive.problems import answer_unexpected, status_of
from mosaic.hive.signed_in import SignedIn

_FOR_PROGRAMS = ("/api", "/schema")


def refused(asked: Asked, error: MosaicError) -> Response[str]:
    """Answer a refusal with its sentence and its hint."""
    return _page(status_of(error), error.message, error.hint, error.code, back=_back(asked))


def failed(asked: Asked, error: HTTPException) -> Response[str] | Response[bytes]:
    """Answer what the web framework refused: a page that does not exist, a method that it lacks."""
    if _by_program(asked):
        return answer_http(asked, error)
    if error.status_code == 404:
        hint = "it may have been uninstalled or removed; the trash keeps apps for 30 days"
        return _page(404, f"there is nothing at {asked.url.path}", hint, "not-found", back="/")
    page = _page(error.status_code, error.detail, "go back and try again", "refused", back=_back(asked))
    for name, value in (error.headers or {}).items():
        page.set_header(name, value)
    return page


def broke(asked: Asked, error: Exception) -> Response[str] | Response[bytes]:
    """Answer a fault of our own: logged with its trace, told to nobody."""
    problem = answer_unexpected(asked, error)
    if _by_program(asked):
        return problem
    sentence = "the Hive made a mistake with this page"
    hint = "look at the Hive's log, and report it with the lines around `request_broke`"
    return _page(500, sentence, hint, "internal", back=_back(asked))


def _by_program(asked: Asked) -> bool:
    path = asked.url.path
    return path in _FOR_PROGRAMS or path.startswith(tuple(f"{each}/" for each in _FOR_PROGRAMS))


def _page(status: int, sentence: str, hint: str, code: str, *, back: str) -> Response[str]:
    # Whoever sees this may not be signed in, so the page shows no places.
    who: SignedIn | None = None
    return render.page("problem.html", who=who, status=status, sentence=sentence, hint=hint, code=code, back=back)


def _back(asked: Asked) -> str:
    """Return the page that the form was on: the path of the Referer when it is ours, else home."""
    referer = asked.headers.get("referer", "")
    ours = str(asked.base_url).rstrip("/")
    path = referer.removeprefix(ours) if referer.startswith(ours + "/") else "/"
    return path if path.startswith("/") and not path.startswith("//") else "/"
