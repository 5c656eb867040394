"""Telling gateways what is wanted of each link, again until they have taken it.

Each push reads what is wanted at that moment, one after the other for a
gateway: one that was away gets the newest wish when it is back, and never an
older one after a newer. Who does not answer is asked again after a wait that
grows; who refuses one link is told of the others meanwhile. Each minute a
gateway is asked what it has, so that one that lost its database is told again.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import msgspec

from mosaic.adapters import log
from mosaic.adapters.sql import gateways, link_pushes, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.link_pushes import Push
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import LinkId
from mosaic.hive.links import asking, wanted
from mosaic.hive.links.work import GatewayState
from mosaic.hive.runtime import Hive
from mosaic.wire.links import LinkStanding

LOOK_SECONDS = 5.0
"""So soon a lease that moved, or an app that went to the trash, is told."""

HEAR_SECONDS = 2.0
"""So long whoever looks at links waits for what gateways say of them now."""

_FRESH_NS = 3 * 10**9
_LONGEST_PAUSE_SECONDS = 600.0
_FIRST_NS = 10**9
_LONGEST_NS = 30 * 10**9
_REFUSED_NS = 60 * 10**9
_ASK_NS = 60 * 10**9
_REVISION_OLD = "link-revision-old"


async def keep(hive: Hive) -> None:
    """Look, for ever. No gateway waits for another one that does not answer."""
    async with anyio.create_task_group() as tasks:
        while True:
            seen = hive.links.changed.seen
            try:
                open_ones = await _open_ones(hive)
                for gateway in open_ones.gateways:
                    state = hive.links.gateway(gateway.id)
                    state.is_late = state.turn.locked()
                    if not state.is_late:
                        tasks.start_soon(_tell_beside, hive, gateway, open_ones.of(gateway))
                pause = open_ones.pause(hive)
            except MosaicError as error:
                log.warning("links_not_told", code=error.code, reason=error.message)
                pause = LOOK_SECONDS
            await hive.links.changed.wait(seen, seconds=pause)


async def look(hive: Hive) -> float:
    """Tell every gateway what it lacks; return for how many seconds nothing is to be done."""
    open_ones = await _open_ones(hive)
    async with anyio.create_task_group() as tasks:
        for gateway in open_ones.gateways:
            tasks.start_soon(_tell, hive, gateway, open_ones.of(gateway))
    return open_ones.pause(hive)


async def hear(hive: Hive, known: Sequence[Gateway]) -> None:
    """Ask gateways what they have, unless they said so just now. Whoever does not answer soon is not waited for."""
    async with anyio.create_task_group() as tasks:
        for gateway in known:
            tasks.start_soon(_hear, hive, gateway)


async def _hear(hive: Hive, gateway: Gateway) -> None:
    state = hive.links.gateway(gateway.id)
    if hive.clock.boot_ns() < state.due_ns or _is_fresh(hive, state):
        return
    with anyio.move_on_after(HEAR_SECONDS):
        async with state.turn:
            # Somebody else may have asked meanwhile.
            if not _is_fresh(hive, state):
                await _ask_now(hive, gateway)
    if not _is_fresh(hive, state):
        # Whoever tells it what it lacks asks it again, and writes down that it is silent.
        state.asked_ns = None
        hive.links.changed.wake()
    elif state.is_late:
        hive.links.changed.wake()


async def _ask_now(hive: Hive, gateway: Gateway) -> None:
    try:
        await _compare(hive, gateway)
    except MosaicError as error:
        log.warning("gateway_not_heard", gateway=gateway.name, code=error.code, reason=error.message)


def _is_fresh(hive: Hive, state: GatewayState) -> bool:
    return state.asked_ns is not None and hive.clock.boot_ns() - state.asked_ns < _FRESH_NS


@dataclass(frozen=True, slots=True)
class _Open:
    """All gateways, and what they lack. `is_any`: there are links."""

    gateways: Sequence[Gateway]
    pushes: Sequence[Push]
    is_any: bool

    def of(self, gateway: Gateway) -> list[Push]:
        return [push for push in self.pushes if push.gateway == gateway.id]

    def pause(self, hive: Hive) -> float:
        if not self.is_any and all(one.about is not None for one in self.gateways):
            return _LONGEST_PAUSE_SECONDS
        waits_ns = [hive.links.gateway(one.id).due_ns - hive.clock.boot_ns() for one in self.gateways]
        return min([LOOK_SECONDS, *(max(0.1, wait_ns / 1e9) for wait_ns in waits_ns if wait_ns > 0)])


async def _open_ones(hive: Hive) -> _Open:
    now_ns = hive.clock.wall_ns()
    known, pushes, stale, is_any = await hive.read(
        lambda tx: (
            gateways.every(tx),
            link_pushes.open_ones(tx),
            wanted.stale(tx, now_ns=now_ns),
            bool(links.every(tx)),
        )
    )
    if stale:
        await hive.write(lambda tx: [wanted.refresh(tx, link, now_ns=now_ns) for link in stale])
        pushes = await hive.read(link_pushes.open_ones)
    return _Open(known, pushes, is_any)


async def _tell_beside(hive: Hive, gateway: Gateway, pushes: list[Push]) -> None:
    """Tell one gateway, and have it looked at again if that failed, or if something came meanwhile."""
    state = hive.links.gateway(gateway.id)
    before = state.tries
    try:
        await _tell(hive, gateway, pushes)
    except MosaicError as error:
        # The database does not answer: what was not told is in it.
        log.warning("gateway_not_told", gateway=gateway.name, code=error.code, reason=error.message)
    if state.is_late or state.tries > before:
        hive.links.changed.wake()


async def _tell(hive: Hive, gateway: Gateway, pushes: list[Push]) -> None:
    state = hive.links.gateway(gateway.id)
    if hive.clock.boot_ns() < state.due_ns:
        return
    async with state.turn:
        try:
            for push in pushes:
                await _push(hive, gateway, push)
            if state.asked_ns is None or hive.clock.boot_ns() - state.asked_ns >= _ASK_NS:
                await _compare(hive, gateway)
            state.tries = 0
        except Unavailable as error:
            state.tries += 1
            state.due_ns = hive.clock.boot_ns() + _pause_ns(state.tries)
            log.warning("gateway_silent", gateway=gateway.name, tries=state.tries, reason=error.message)
            await asking.note(hive, gateway, problem=error.with_hint)
        except MosaicError as error:
            log.warning("gateway_not_told", gateway=gateway.name, code=error.code, reason=error.message)
        except Exception as error:  # a mistake of ours about one gateway must not end the Hive
            log.mistake("pushing_broke", error, gateway=gateway.name)


async def _push(hive: Hive, gateway: Gateway, push: Push) -> None:
    link = await hive.read(lambda tx: links.get(tx, push.link))
    if link is None:
        return
    state = hive.links.gateway(gateway.id)
    revision = -1 if link.removed_ns is not None else link.revision
    refused, again_ns = state.refused.get(push.link, (-2, 0))
    if refused == revision and hive.clock.boot_ns() < again_ns:
        return
    try:
        if link.removed_ns is not None:
            await _forget(hive, gateway, push)
            return
        told = wanted.told(link, gateway.id)
        standing = await asking.answered(gateway, lambda: asking.put(hive, gateway, link.id, told))
        now_ns = hive.clock.wall_ns()
        state.standings[push.link] = standing, now_ns
        await hive.write(lambda tx: link_pushes.took(tx, push, standing, revision=link.revision, now_ns=now_ns))
        state.refused.pop(push.link, None)
    except Unavailable:
        raise
    except MosaicError as error:
        problem = error.with_hint
        state.refused[push.link] = revision, hive.clock.boot_ns() + _REFUSED_NS
        await hive.write(lambda tx: link_pushes.failed(tx, push, problem))
        if error.code == _REVISION_OLD:
            await _go_on_above(hive, gateway, push)


async def _go_on_above(hive: Hive, gateway: Gateway, push: Push) -> None:
    """Number what is wanted above what the gateway has: this Hive came back from an older copy of its database."""
    _, standings = await asking.answered(gateway, lambda: asking.look(hive, gateway))
    found = next((one for one in standings if one.id == push.link), None)
    if found is not None:
        await hive.write(lambda tx: wanted.raise_above(tx, push.link, found.revision, gateway=gateway.id))
        hive.links.gateway(gateway.id).refused.pop(push.link, None)
        hive.links.changed.wake()


async def _forget(hive: Hive, gateway: Gateway, push: Push) -> None:
    await asking.answered(gateway, lambda: asking.delete(hive, gateway, push.link))

    def forget(tx: Tx) -> None:
        link_pushes.forget(tx, push)
        if not link_pushes.of_link(tx, push.link):
            links.forget(tx, push.link)

    await hive.write(forget)
    hive.links.gateway(gateway.id).refused.pop(push.link, None)


async def _compare(hive: Hive, gateway: Gateway) -> None:
    """Ask a gateway who it is and what it has, keep that, and have it told again what it lost."""
    about, standings = await asking.answered(gateway, lambda: asking.look(hive, gateway))
    await asking.note(hive, gateway, about=about)
    there = {one.id: one for one in standings}
    now_ns = hive.clock.wall_ns()

    def changed(tx: Tx) -> list[Push]:
        return [push for push in link_pushes.of_gateway(tx, gateway.id) if _differs(tx, push, there.get(push.link))]

    def keep_it(tx: Tx) -> None:
        for push in changed(tx):
            found = there.get(push.link)
            link_pushes.heard(tx, push, found, now_ns=now_ns)
            if found is None or _is_older(tx, push, found):
                link_pushes.again(tx, push)

    hive.links.gateway(gateway.id).standings = {LinkId(one.id): (one, now_ns) for one in standings}
    if await hive.read(lambda tx: bool(changed(tx))):
        # What gateways say of themselves they say again.
        await hive.write(keep_it, worth="later")
        hive.links.changed.wake()
    hive.links.gateway(gateway.id).asked_ns = hive.clock.boot_ns()


def _differs(tx: Tx, push: Push, found: LinkStanding | None) -> bool:
    link = links.get(tx, push.link)
    if link is None or link.removed_ns is not None:
        return False
    return _lasting(found) != _lasting(push.standing) or (found is not None and _is_older(tx, push, found))


def _is_older(tx: Tx, push: Push, found: LinkStanding) -> bool:
    """Return whether a gateway has something older than it took."""
    link = links.get(tx, push.link)
    has_left = link is not None and link.gateway != push.gateway
    return found.revision < push.taken_revision - (1 if has_left else 0)


def _lasting(standing: LinkStanding | None) -> LinkStanding | None:
    """Return what is worth a write: not what changes with every visitor."""
    return standing and msgspec.structs.replace(standing, seen=None, received_bytes=0, sent_bytes=0)


def _pause_ns(tries: int) -> int:
    """Return a wait that doubles up to its bound; up to half of it is left out, so that Hives do not ask in step."""
    longest = min(_LONGEST_NS, _FIRST_NS << min(tries - 1, 6))
    return longest // 2 + secrets.randbelow(longest // 2)
