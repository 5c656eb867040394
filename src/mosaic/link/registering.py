"""Registering until a gateway says yes, or says no for good."""

from collections.abc import Callable

import anyio
from anyio import to_thread

from mosaic.adapters import log
from mosaic.adapters.gateway_registration import (
    LinkKeyRefused,
    LinkModeRefused,
    LinkNameRefused,
    LinkRegistersTooOften,
    LinkTokenUnknown,
)
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.link.parts import GatewayApi, Pace
from mosaic.wire.links import Register, Registered


class Registrar:
    """Asks one gateway after the other. `random` (0 to 1) is there so that links do not come all at once."""

    def __init__(self, apis: list[GatewayApi], pace: Pace, random: Callable[[], float]) -> None:
        self._apis = apis
        self._pace = pace
        self._random = random
        self._at = 0
        self.was_known = False
        """Whether a gateway ever knew the token."""

    @property
    def api(self) -> GatewayApi:
        """The one that is asked now."""
        return self._apis[self._at]

    def next_gateway(self) -> None:
        """Ask the next one from now on."""
        self._at = (self._at + 1) % len(self._apis)

    async def once(self, asked: Register) -> Registered:
        """Ask once. Raises as GatewayApi."""
        found = await to_thread.run_sync(self.api.register, asked, abandon_on_cancel=True)
        self.was_known = True
        return found

    async def until_registered(self, asked: Register, tell: Callable[[MosaicError], None]) -> Registered:
        """Ask until there is a registration; `tell` is told of each failure.

        Raises:
            LinkWasSuperseded, LinkModeRefused, LinkKeyRefused: at once.
            LinkTokenUnknown, LinkNameRefused: at once if it was known before, else after `patience`.
        """
        pause, since = self._pace.register_pause, anyio.current_time()
        while True:
            waited = pause * (0.5 + self._random())
            try:
                return await self.once(asked)
            except (LinkTokenUnknown, LinkNameRefused) as error:
                if self.was_known or anyio.current_time() - since > self._pace.patience:
                    raise
                tell(error)
            except LinkRegistersTooOften as error:
                tell(error)
                waited = error.seconds + pause * self._random()
            except (LinkModeRefused, LinkKeyRefused):
                raise
            except Unavailable as error:
                tell(error)
                self.next_gateway()
            log.info("link_registers_again", seconds=round(waited, 1))
            await anyio.sleep(waited)
            pause = min(pause * 2, self._pace.longest_pause)
