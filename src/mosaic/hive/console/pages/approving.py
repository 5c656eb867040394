"""Approving the version that an installation runs, by the passphrase in the browser."""

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect

from mosaic.core.errors import Refused
from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.console.pages.lookup import to_app, written
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.approval import Approval


class SignatureMissing(Refused):
    """The form came without what the browser signs."""

    code = "signature-missing"

    def __init__(self) -> None:
        super().__init__(
            "this form has no signature: the browser makes it from the passphrase, with JavaScript",
            hint="allow JavaScript for this page, or use `mosaic policy NAME --approve`",
        )


@get("/apps/{name:str}/approve")
async def plan_approve(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """Ask for the passphrase, in the browser only."""
    found = await views.get_installation(hive, who.account, name)
    account = await views.account(hive, who.account)
    return render.page("approve.html", who=who, app=found, account=account, keys=written(account.keys))


@post("/apps/{name:str}/approve")
async def approve(request: Asked, hive: Hive, who: SignedIn, name: str) -> Redirect:
    """Take the owner's signature over the version that it runs."""
    signed = approval_in(await forms.read(request, who))
    if signed is None:
        raise SignatureMissing
    return to_app((await actions.approve(hive, who.account, name, signed)).name)


def approval_in(form: forms.Form) -> Approval | None:
    """Return what the browser signed; None when it signed nothing. Raises SignatureMissing: it is no signature."""
    if not form.text("approval"):
        return None
    try:
        return msgspec.json.decode(form.text("approval"), type=Approval)
    except msgspec.MsgspecError:
        raise SignatureMissing from None


handlers = [plan_approve, approve]
