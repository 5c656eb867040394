"""Where a browser's request comes from: a page of ours, or one of somebody else's.

Cookies ignore ports. A page at another port of our host, such as an app's, is
of the same *site*, so that SameSite lets its requests carry our session; what
tells them apart is the *origin*, which the browser itself says and no page can
change. What no browser sent says neither; the CSRF value then decides alone.
"""

from mosaic.core.errors import Refused
from mosaic.hive.http import Asked


class OriginForeign(Refused):
    """A browser was made to ask for a change by a page that is not the Console's."""

    code = "origin-foreign"

    def __init__(self) -> None:
        super().__init__(
            "this change was asked for by a page that is not of this Hive; nothing was changed",
            hint="do it in the Console itself, or with the `mosaic` command",
        )


def is_ours(asked: Asked) -> bool:
    """Tell whether nothing says that the request comes from a page that is not ours."""
    site = asked.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = asked.headers.get("origin")
    return origin is None or origin.partition("://")[2] == asked.headers.get("host")
