"""Choosing host ports: what the app wants, what it had before, and what is free on this machine.

`core.ports` decides; here the engine and the operating system are asked. A
choice is noted before anything is started with it.
"""

from collections.abc import Sequence

from mosaic.adapters.free_port import is_free
from mosaic.core.app import image_names
from mosaic.core.compose_document import Compose
from mosaic.core.compose_keys import is_link_image
from mosaic.core.ports import Assigned, PortKey, Wanted, allocate
from mosaic.core.rendering import wanted_ports
from mosaic.device.lending import lent_pairs
from mosaic.device.means import Means
from mosaic.device.observe import containers_of
from mosaic.wire.assignment import Assignment, PortWish

LINK_PORT = 80
_MOST_ROUNDS = 2000


def wanted(compose: Compose) -> list[Wanted]:
    """Return every port to publish: those in the file, and the link's, through which the LAN front reaches an app."""
    found = wanted_ports(compose)
    keys = {want.key for want in found}
    links = [PortKey(name, LINK_PORT, "tcp") for name, image in image_names(compose).items() if is_link_image(image)]
    return [*found, *(Wanted(key) for key in links if key not in keys)]


def web_port(compose: Compose, ports: Sequence[Assigned]) -> int | None:
    """Return the host port that a browser is led to: the link's, else the first that is published; None for none."""
    links = {name for name, image in image_names(compose).items() if is_link_image(image)}
    by_link = [port for port in ports if port.key.service in links and port.key.container_port == LINK_PORT]
    by_tcp = [port for port in ports if port.key.protocol == "tcp"]
    return next((port.host_port for port in [*by_link, *by_tcp]), None)


async def choose(means: Means, item: Assignment, compose: Compose) -> list[Assigned]:
    """Give every port of the app a host port, and note the choice.

    Raises:
        NoPortFree: all that would do are taken.
    """
    async with means.choosing_ports:
        notes = means.records.notes_of(item.installation)
        before = {_key(wish): wish.host_port for wish in [*item.ports, *notes.ports]}
        sight = await means.lookout.look()
        own = {
            (port.protocol, port.host_port) for seen in containers_of(sight, item.installation) for port in seen.ports
        }
        # What is open on the machine for an app of ours that ended just now is no other program's.
        ours = own | await lent_pairs(means.lending)
        taken = (await means.engine.published_ports() | _promised(means, item)) - own
        chosen = _choose_free(wanted(compose), taken, before, ours, open_to_all=item.open)
        means.records.note(item.installation, ports=[_wish(port) for port in chosen])
    return chosen


def _choose_free(
    wants: Sequence[Wanted],
    taken: set[tuple[str, int]],
    before: dict[PortKey, int],
    own: set[tuple[str, int]],
    *,
    open_to_all: bool,
) -> list[Assigned]:
    host = "0.0.0.0" if open_to_all else "127.0.0.1"  # noqa: S104 (the owner opened it)
    used = set(taken)
    for _ in range(_MOST_ROUNDS):
        chosen = allocate(wants, used, before)
        ports = {(port.key.protocol, port.host_port) for port in chosen} - own
        busy = {pair for pair in ports if not is_free(*pair, host=host)}
        if not busy:
            return chosen
        used |= busy
    return allocate(wants, used, before)


def _promised(means: Means, item: Assignment) -> set[tuple[str, int]]:
    """Return what other apps here were given, whether they run just now or not.

    One of the same name is in the trash: it was uninstalled, or this one succeeds it and is found where it was.
    """
    known = means.records.notes.items().items()
    others = (notes for key, notes in known if key != item.installation and notes.name != item.name)
    return {(wish.protocol, wish.host_port) for notes in others for wish in notes.ports}


def _key(wish: PortWish) -> PortKey:
    return PortKey(wish.service, wish.container_port, wish.protocol)


def _wish(port: Assigned) -> PortWish:
    return PortWish(port.key.service, port.key.container_port, port.key.protocol, port.host_port)
