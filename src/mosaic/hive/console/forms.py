"""What a page was sent: fields of a form, and the proof that this site's own page sent it.

The browser's own word about where a form came from must be ours. A signed-in
change must also carry the session's CSRF value, in a field or in the header;
before anybody is signed in there is none.
"""

import hmac

from mosaic.core.errors import Refused
from mosaic.hive.http import Asked
from mosaic.hive.origin import is_ours
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
    form = await read_open(asked)
    sent = form.secret("csrf") or asked.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(sent.encode(), who.csrf.encode()):
        raise FormForeign
    return form


async def read_open(asked: Asked) -> Form:
    """Return the form of somebody who is not signed in yet. Raises FormForeign."""
    if not is_ours(asked):
        raise FormForeign
    return await _fields(asked)


async def _fields(asked: Asked) -> Form:
    sent = await asked.form()
    return Form({name: value for name, value in sent.multi_items() if isinstance(value, str)})
