"""What links carried, from what a router says of names since it started. One that starts again begins at nothing."""

from collections.abc import Mapping

from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Traffic

_NONE = Traffic()


class Counting:
    """Sums of bytes, received from visitors and sent to them, that were not written down yet."""

    def __init__(self) -> None:
        self._last: dict[str, Traffic] = {}
        self._sums: dict[LinkId, tuple[int, int]] = {}

    def look(self, traffic: Mapping[str, Traffic], owners: Mapping[str, LinkId]) -> None:
        """Take what every name carried, and add what is new of it to the link that the name is of."""
        self._take(traffic, owners)
        self._last = dict(traffic)

    def look_at_some(self, traffic: Mapping[str, Traffic], owners: Mapping[str, LinkId]) -> None:
        """Take what these names carried, as `look` does, and nothing of the others."""
        self._take(traffic, owners)
        self._last.update(traffic)

    def take(self) -> dict[LinkId, tuple[int, int]]:
        """Return the sums and forget them."""
        sums, self._sums = self._sums, {}
        return sums

    def put_back(self, sums: Mapping[LinkId, tuple[int, int]]) -> None:
        """Have these again, which could not be written down."""
        for link, (received, sent) in sums.items():
            self._add(link, received, sent)

    def _take(self, traffic: Mapping[str, Traffic], owners: Mapping[str, LinkId]) -> None:
        for name, now in traffic.items():
            before = self._last.get(name, _NONE)
            if now.received_bytes < before.received_bytes or now.sent_bytes < before.sent_bytes:
                before = _NONE
            link = owners.get(name)
            if link is not None:
                received, sent = now.received_bytes - before.received_bytes, now.sent_bytes - before.sent_bytes
                self._add(link, received, sent)

    def _add(self, link: LinkId, received: int, sent: int) -> None:
        if received or sent:
            before = self._sums.get(link, (0, 0))
            self._sums[link] = before[0] + received, before[1] + sent
