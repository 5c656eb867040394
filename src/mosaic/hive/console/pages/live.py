"""One stream a page: a beat every few seconds, and a word whenever something changed.

The page then fetches itself again and lays the new over the old. Nothing of the
account travels in the stream.
"""

import time
from collections.abc import AsyncIterator

from litestar import get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from mosaic.hive.console.feed import changed
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn

BEAT_SECONDS = 5.0


@get("/live")
async def live(hive: Hive, who: SignedIn) -> ServerSentEvent:  # noqa: ARG001  # asking who keeps strangers out
    """Stream beats and changes until the browser leaves."""
    return ServerSentEvent(_messages(hive))


async def _messages(hive: Hive) -> AsyncIterator[ServerSentEventMessage]:
    # The page was written before this stream began; what happened in between is told by this.
    yield _message("change")
    async for something in changed(hive, at_most_seconds=BEAT_SECONDS):
        yield _message("change" if something else "beat")


def _message(event: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=event, data=str(time.time_ns()))


handlers = [live]
