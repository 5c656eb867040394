"""Keeping a tunnel's interface there: one whose wireguard-go was killed is made again within a second."""

from collections.abc import Callable
from typing import Protocol

import anyio
from anyio import to_thread

from mosaic.core.errors import MosaicError
from mosaic.core.public_key import PublicKey

LOOK_SECONDS = 0.5
NOTE_SECONDS = 1.0
LONGEST_NOTE_SECONDS = 10.0
"""How often it is noted where peers are, for an interface that is made again: who moved since is silent for half a
minute then. Of very many it takes a while, so it is done less often."""

_SHARE = 20
"""The part of the time, as 1/20, that noting may take."""

_LONGEST_SECONDS = 10.0


class Mended(Protocol):
    """What is kept: a Tunnel."""

    def mend(self) -> bool:
        """Make it again if it is gone, and return whether it was."""

    def endpoints(self) -> dict[PublicKey, str]:
        """Return, and remember, where its peers are."""


async def keep(tunnel: Mended, *, tell: Callable[[str], None]) -> None:
    """Look and mend until cancelled. `tell` is given a sentence for the log whenever it had to, or could not."""
    pause, next_note = LOOK_SECONDS, anyio.current_time()
    while True:
        try:
            if await to_thread.run_sync(tunnel.mend):
                tell("the tunnel's interface was gone, and was made again with its peers")
            if (began := anyio.current_time()) >= next_note:
                await to_thread.run_sync(tunnel.endpoints)
                ended = anyio.current_time()
                next_note = ended + min(LONGEST_NOTE_SECONDS, max(NOTE_SECONDS, _SHARE * (ended - began)))
            pause = LOOK_SECONDS
        except MosaicError as error:
            tell(error.with_hint)
            pause = min(pause * 2, _LONGEST_SECONDS)
        await anyio.sleep(pause)
