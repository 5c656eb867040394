"""What a page was sent: fields of a form, and the proof that this site's own page sent it.

A signed-in change must carry the session's CSRF token, in a field or in the
header. Before anybody is signed in there is no token; then the browser's own
word about where the form came from must be ours.
"""

import hmac

from mosaic.core.errors import Refused
from mosaic.hive.http import Asked
from mosaic.hive.signed_in import CSRF_HEADER, SignedIn


class FormForeign(Refused):
    """A form that did not come from the Console's own page."""

    code = "form-foreign"

    def __init__(self) -> None:
        super().__init__(
            "this form did not come from this Hive's own page, or from a session that has ended; nothing was changed",
            hint="open the page again and send the form from there",
        )


class Form:
    """The fields that were sent. A missing one is empty."""

    def __init__(self, fields: dict[str, str]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a field without the white space around it."""
        return self.secret(name).strip()

    def secret(self, name: str) -> str:
        """Return a field exactly as it was typed."""
        return self._fields.get(name, "")


async def read(asked: Asked, who: SignedIn) -> Form:
    """Return the form of somebody who is signed in. Raises FormForeign."""
    form = await _fields(asked)
    sent = form.secret("csrf") or asked.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), who.csrf.encode()):
        raise FormForeign
    return form


async def read_open(asked: Asked) -> Form:
    """Return the form of somebody who is not signed in yet. Raises FormForeign."""
    site = asked.headers.get("sec-fetch-site")
    origin = asked.headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        raise FormForeign
    if site is None and origin is not None and origin.partition("://")[2] != asked.headers.get("host"):
        raise FormForeign
    return await _fields(asked)


async def _fields(asked: Asked) -> Form:
    sent = await asked.form()
    return Form({name: value for name, value in sent.multi_items() if isinstance(value, str)})
