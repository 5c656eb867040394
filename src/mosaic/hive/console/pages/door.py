"""The way in and out: login, the account, and logging out."""

from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError
from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to
from mosaic.hive.http import Asked, address_of
from mosaic.hive.problems import status_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn, end_browser_session, start_browser_session
from mosaic.wire.api import Login


@get("/login")
async def login_page(hive: Hive, next: str = "/") -> Response[str] | Redirect:
    """Ask for name and password; a Hive without an account sends to its set-up."""
    if (await views.setup_state(hive)).needed:
        return to("/setup")
    return render.page("login.html", who=None, name="", next=ours(next), problem=None)


@post("/login")
async def log_in(request: Asked, hive: Hive) -> Response[str] | Redirect:
    """Let in whoever knows the password; say what was wrong otherwise."""
    form = await forms.read_open(request)
    name, onward = form.text("name"), ours(form.text("next"))
    try:
        wish = Login(name=name, password=form.secret("password"), label="Console")
        session = await actions.log_in(hive, wish, address=address_of(request), browser=request.url.scheme)
    except MosaicError as refusal:
        status = status_of(refusal)
        return render.page("login.html", who=None, status=status, name=name, next=onward, problem=refusal)
    answer = to(onward)
    start_browser_session(answer, session.token, request)
    return answer


@post("/logout")
async def log_out(request: Asked, hive: Hive, who: SignedIn) -> Redirect:
    """End this browser's session."""
    await forms.read(request, who)
    await actions.log_out(hive, who.token)
    answer = to("/login")
    end_browser_session(answer)
    return answer


@get("/account")
async def account(hive: Hive, who: SignedIn) -> Response[str]:
    """Show the account and what the Hive knows of its keys."""
    return render.page("account.html", who=who, account=await views.account(hive, who.account))


def ours(path: str) -> str:
    """Return the path when it is one of this Console's, else home: a login leads nowhere else."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and "\n" not in path and "\r" not in path
    return path if fine else "/"


open_handlers = [login_page, log_in]
handlers = [log_out, account]
