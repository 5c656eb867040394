"""Watching a Device's circle and what its Hive knows of it, as its owner would, through everything that happens.

What must never be seen is in `wrong`: a red circle for a Device that has been
whole for longer than it takes to connect, a green one for a Device that has
said nothing for longer than the rule lets it be green, and an older state
after a newer one.
"""

import threading
import time
from collections import Counter

from mosaic.core.errors import MosaicError
from mosaic.core.health import GREEN_SECONDS
from support.bad_line.hive import FarHive
from support.running_hive import Owner

MOST_TO_CONNECT_SECONDS = 120.0
"""A wait of 60 s at most between tries, one try that came too early, the handshake, and what was lost on the way."""

_SLOW_SECONDS = 10.0
"""For what is under way when the line goes down, and a machine that is busy."""

_PAUSE_SECONDS = 0.2


class Watch:
    """Looks again and again until it is closed. Say by `becomes` whenever Device, Hive and line are changed."""

    def __init__(self, hive: FarHive, owner: Owner) -> None:
        self.colours: Counter[str] = Counter()
        self.colour, self.known, self.connected = "", 0, False
        self.wrong: list[str] = []
        self._hive, self._owner = hive, owner
        self._whole_since: float | None = time.monotonic()
        self._silent_since: float | None = None
        self._closing = threading.Event()
        self._looks = 0
        self._thread = threading.Thread(target=lambda: hive.place.do(self._watch), daemon=True)
        self._thread.start()

    def becomes(self, *, whole: bool, silent: bool) -> None:
        """Say what is true from now on: everything is up; nothing that the Device says can arrive."""
        now = time.monotonic()
        self._whole_since = (self._whole_since or now) if whole else None
        self._silent_since = (self._silent_since or now) if silent else None

    def looked_since(self) -> int:
        """Return a number that another look raises."""
        return self._looks

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        self._thread.join(60)

    def _watch(self) -> None:
        while not self._closing.wait(_PAUSE_SECONDS):
            # Read before the answer is: what is changed meanwhile counts from the next look on.
            whole, silent, began = self._whole_since, self._silent_since, time.monotonic()
            try:
                seen = self._owner.devices()[0]
            except MosaicError:
                # The Hive is away: it shows nobody anything.
                continue
            self._looks += 1
            self.connected, self.colour = seen.connected, seen.health.colour
            self.colours[self.colour] += 1
            if self.colour == "red" and whole is not None and began - whole > MOST_TO_CONNECT_SECONDS:
                self.wrong.append(f"red after {began - whole:.0f} whole seconds")
            if self.colour == "green" and silent is not None and began - silent > GREEN_SECONDS + _SLOW_SECONDS:
                self.wrong.append(f"green after {began - silent:.0f} silent seconds")
            known = int((seen.engine_version or "0").rpartition(".")[2])
            if known < self.known:
                self.wrong.append(f"state {known} after {self.known}")
            self.known = known
