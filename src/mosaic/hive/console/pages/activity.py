"""What happened, the newest first."""

from litestar import Response, get

from mosaic.hive.console import render
from mosaic.hive.console.feed import recent
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn

_SHOWN = 200


@get("/activity")
async def activity(hive: Hive, who: SignedIn) -> Response[str]:
    """Show the newest events."""
    return render.page("activity.html", who=who, events=await recent(hive, who.account, limit=_SHOWN))


handlers = [activity]
