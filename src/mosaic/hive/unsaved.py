"""What the newest copy of the database lacks, and how soon there should be another.

For one event loop. At the start everything is unsaved: a run begins by
writing its term, and what the run before it left is not known.
"""

from typing import Literal

from mosaic.hive.waking import Waking

Worth = Literal["soon", "later", "never"]
"""`soon` is what nobody else knows; `later` what Devices could tell again; `never` what they tell all the time."""


class Unsaved:
    """The oldest change that is in no copy. `since_ns` is None when there is none."""

    def __init__(self, now_ns: int) -> None:
        self.since_ns: int | None = now_ns
        self.urgent = True
        self.changed = Waking()

    def note(self, now_ns: int, worth: Worth) -> None:
        """Note a change."""
        if worth == "never":
            return
        self.since_ns = now_ns if self.since_ns is None else min(now_ns, self.since_ns)
        self.urgent = self.urgent or worth == "soon"
        self.changed.wake()

    def take(self) -> int | None:
        """A copy is begun: return since when, and count anew."""
        since_ns, self.since_ns, self.urgent = self.since_ns, None, False
        return since_ns

    def put_back(self, since_ns: int | None, now_ns: int) -> None:
        """The copy failed: all of it is still unsaved."""
        if since_ns is not None:
            self.note(min(since_ns, now_ns), "soon")
