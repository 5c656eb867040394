"""The first run: the owner's account, then the passphrase that only the browser ever sees."""

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import MosaicError, Refused
from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to
from mosaic.hive.http import Asked, address_of
from mosaic.hive.problems import status_of
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn, start_browser_session
from mosaic.wire.account import NewAccountKeys
from mosaic.wire.api import SetKeys, Setup


class KeysMissing(Refused):
    """The form came without the keys that the browser derives."""

    code = "keys-missing"

    def __init__(self) -> None:
        super().__init__(
            "this form has no keys: the browser derives them from the passphrase, with JavaScript",
            hint="allow JavaScript for this page, or use `mosaic passphrase set`",
        )


class PasswordsDiffer(Refused):
    """The two passwords are not the same."""

    code = "passwords-differ"

    def __init__(self) -> None:
        super().__init__("the two passwords are not the same", hint="type the same password twice")


@get("/setup")
async def owner_page(hive: Hive) -> Response[str] | Redirect:
    """Ask for the set-up code, a name and a password. Once only."""
    if not (await views.setup_state(hive)).needed:
        return to("/login")
    return render.page("setup.html", who=None, code="", name="", problem=None)


@post("/setup")
async def set_up(request: Asked, hive: Hive) -> Response[str] | Redirect:
    """Make the account and sign its owner in; the passphrase comes next."""
    form = await forms.read_open(request)
    code, name, password = form.text("code"), form.text("name"), form.secret("password")
    try:
        if password != form.secret("again"):
            raise PasswordsDiffer
        wish = Setup(code=code, name=name, password=password)
        session = await actions.set_up(hive, wish, address=address_of(request), browser=request.url.scheme)
    except MosaicError as refusal:
        status = status_of(refusal)
        return render.page("setup.html", who=None, status=status, code=code, name=name, problem=refusal)
    answer = to("/setup/passphrase")
    start_browser_session(answer, session.token, request)
    return answer


@get("/setup/passphrase")
async def passphrase_page(hive: Hive, who: SignedIn) -> Response[str] | Redirect:
    """Make six words in the browser. An account that has keys keeps them."""
    if (await views.account(hive, who.account)).keys is not None:
        return to("/account")
    return render.page("passphrase.html", who=who, problem=None)


@post("/setup/passphrase")
async def set_passphrase(request: Asked, hive: Hive, who: SignedIn) -> Response[str] | Redirect:
    """Keep the wrapped keys. The passphrase and the recovery code never come here."""
    form = await forms.read(request, who)
    try:
        try:
            new = msgspec.json.decode(form.text("keys"), type=NewAccountKeys)
        except msgspec.MsgspecError:
            raise KeysMissing from None
        await actions.set_keys(hive, who.account, SetKeys(new=new))
    except MosaicError as refusal:
        return render.page("passphrase.html", who=who, status=status_of(refusal), problem=refusal)
    return to("/")


open_handlers = [owner_page, set_up]
handlers = [passphrase_page, set_passphrase]
