"""A link behind a gateway: registered, connected, served, looked at from outside, and healed, until it is told to stop.

The order is: Caddy with nothing to do; a registration; its tunnel; Caddy told the
names; ready once one of them leads here from outside. From then on each gateway is
probed through the tunnel, and `core.link_healing` says what to do about silence.
Keys are made with each tunnel and lie in memory alone.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio import to_thread

from mosaic.adapters import caddy_link, log
from mosaic.adapters.caddy import CaddyRefused, CaddySilent
from mosaic.adapters.caddy_link import Certificates, Place, Serving
from mosaic.adapters.gateway_registration import LinkKeyRefused, LinkModeRefused, LinkWasSuperseded
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.link_healing import (
    ChangeMode,
    Choices,
    End,
    Healing,
    NextGateway,
    Nothing,
    Probe,
    Renew,
    Step,
    after_round,
    is_reachable,
)
from mosaic.core.link_settings import LinkSettings
from mosaic.link import health
from mosaic.link.caddy_process import CaddyProcess
from mosaic.link.health import BEAT_SECONDS, LinkHealth, State
from mosaic.link.parts import GatewayApi, LinkTunnel, Pace, Way, Ways
from mosaic.link.registering import Registrar
from mosaic.link.relaying import granted, relaying
from mosaic.link.self_check import Outside
from mosaic.wire.links import Leave, Peer, Register, Registered


@dataclass(frozen=True, slots=True)
class Means:
    """What a supervisor works with. `random` returns a number from 0 to 1."""

    apis: Sequence[GatewayApi]
    ways: Ways
    caddy: CaddyProcess
    certificates: Certificates
    serving: Serving
    outside: Outside
    run_folder: Path
    version: str
    random: Callable[[], float]
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Changed:
    """The gateway's answer is another than before."""

    registered: Registered


@dataclass(frozen=True, slots=True)
class Refusal:
    """The gateway says no, and not for now only."""

    error: MosaicError


Turn: TypeAlias = Step | Changed | Refusal


class Supervisor:
    """One run of a link's container."""

    def __init__(self, settings: LinkSettings, means: Means) -> None:
        self._settings = settings
        self._means = means
        self._pace = means.pace
        self._registrar = Registrar(list(means.apis), means.pace, means.random)
        self._way: Way = means.ways[0]
        self._tunnel: LinkTunnel = self._way.make()
        self._registered: Registered | None = None
        self._health = LinkHealth("starting", "the link starts", health.boot_seconds())

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkWasSuperseded, LinkTokenUnknown, LinkNameRefused: it has ended for good, and leaves nothing behind.
            LinkCaddyFailed: Caddy cannot be started here.
        """
        self._say("starting", "the link starts")
        try:
            await self._means.caddy.start()
        except anyio.get_cancelled_exc_class():
            self._means.caddy.stop()
            raise
        failed: MosaicError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._means.caddy.keep)
            tasks.start_soon(self._beat)
            try:
                await self._serve()
            except MosaicError as error:
                failed = error
                self._say("ended", error.message)
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._leave()
        if failed is not None:
            raise failed

    async def _serve(self) -> None:
        healing = Healing()
        registered: Registered | None = None
        while True:
            if registered is None:
                registered = await self._register()
            async with contextlib.AsyncExitStack() as opened:
                place = await self._connect(registered)
                if place is None:
                    registered = None
                    continue
                ports = granted(self._settings.exposed.ports, registered.ports)
                allowed = self._settings.guards.allowed
                await opened.enter_async_context(relaying(place.addresses[0], ports, allowed=allowed))
                healing, turn = await self._tend(registered, healing)
            registered = turn.registered if isinstance(turn, Changed) else None
            match turn:
                case End():
                    raise LinkWasSuperseded
                case Refusal():
                    raise turn.error
                case NextGateway():
                    self._registrar.next_gateway()
                case ChangeMode():
                    await self._change_way(self._other_kind())
                case _:
                    pass

    async def _register(self) -> Registered:
        """Register in the first mode that the gateway has. Raises what ends a link; LinkModeRefused for none."""
        refused = 0
        while True:
            try:
                return await self._registrar.until_registered(self._asking(), self._tell_refusal)
            except LinkKeyRefused as error:
                self._tell_refusal(error)
                await anyio.sleep(self._pace.register_pause)
                await self._change_way(self._way)
            except LinkModeRefused as error:
                self._tell_refusal(error)
                refused += 1
                if refused >= len(self._means.ways):
                    raise
                await self._change_way(self._following())

    async def _connect(self, registered: Registered) -> Place | None:
        """Make the tunnel and tell Caddy its names. None says that it failed, and is to be registered anew."""
        self._registered = registered
        self._say("connecting", f"the tunnel is made ({self._way.mode})")
        try:
            place = await self._tunnel.open(registered)
        except MosaicError as error:
            await self._tell_and_wait(error)
            await self._change_way(self._following())
            return None
        configuration = caddy_link.link(
            self._means.caddy.admin,
            place,
            registered.names,
            self._means.serving,
            self._means.certificates,
            session=self._means.outside.session,
        )
        while True:
            try:
                await self._means.caddy.load(configuration)
            except CaddySilent as error:
                # It is started again meanwhile; the tunnel is not to blame.
                await self._tell_and_wait(error)
            except CaddyRefused as error:
                await self._tell_and_wait(error)
                return None
            else:
                log.info("link_connected", mode=self._way.mode, names=", ".join(registered.names))
                return place

    async def _tell_and_wait(self, error: MosaicError) -> None:
        log.warning("link_not_connected", mode=self._way.mode, reason=error.message, hint=error.hint)
        self._say("healing", error.message)
        await anyio.sleep(self._pace.register_pause * (0.5 + self._means.random()))

    async def _tend(self, registered: Registered, healing: Healing) -> tuple[Healing, Turn]:
        """Probe and look until something has to change."""
        refresh_at = anyio.current_time() + self._pace.refresh
        turn: Turn = Nothing()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._check, registered)
            while True:
                began = anyio.current_time()
                healing, turn = after_round(healing, await self._probe(registered), self._choices())
                await self._note(healing, turn)
                if isinstance(turn, Nothing | Renew) and anyio.current_time() > refresh_at:
                    refresh_at += self._pace.refresh
                    turn = await self._refreshed(registered)
                if not isinstance(turn, Nothing | Renew):
                    break
                # From its beginning: a probe that nobody answers takes a while itself.
                await anyio.sleep_until(began + self._pause(healing, registered))
            tasks.cancel_scope.cancel()
        return healing, turn

    def _pause(self, healing: Healing, registered: Registered) -> float:
        if is_reachable(healing):
            return registered.probe_seconds
        return min(self._pace.first_probe * (1 + healing.tries), self._pace.longest_probe_pause)

    async def _probe(self, registered: Registered) -> dict[str, Probe]:
        found = {peer.name: Probe.SILENT for peer in registered.peers}

        async def ask(peer: Peer) -> None:
            with anyio.move_on_after(self._pace.probe_deadline):
                found[peer.name] = await self._tunnel.probe(peer)

        async with anyio.create_task_group() as tasks:
            for peer in registered.peers:
                tasks.start_soon(ask, peer)
        return found

    async def _note(self, healing: Healing, step: Step) -> None:
        """Carry out what leaves the registration as it is, and say how it is."""
        if is_reachable(healing):
            if self._health.state == "healing":
                self._say_reached("the tunnel is there again")
        elif healing.has_worked and self._health.state == "ready":
            self._say("healing", "no gateway answers through the tunnel")
        if isinstance(step, Renew):
            log.warning("link_session_renewed", gateways=", ".join(step.gateways))
            try:
                await self._tunnel.renew(step.gateways)
            except MosaicError as error:
                log.warning("link_session_not_renewed", reason=error.message)
        elif not isinstance(step, Nothing):
            self._say("healing", "no gateway answers through the tunnel; the link registers again")
            log.warning("link_heals", by=type(step).__name__, mode=self._way.mode)

    async def _refreshed(self, before: Registered) -> Nothing | Changed | Refusal:
        """Ask for the same again: names come and go."""
        try:
            after = await self._registrar.once(self._asking())
        except Unavailable as error:
            log.warning("link_not_refreshed", reason=error.message)
            return Nothing()
        except MosaicError as error:
            return Refusal(error)
        return Changed(after) if after != before else Nothing()

    async def _check(self, registered: Registered) -> None:
        """Look from outside until every name leads here. Ready is who is reached by one of them."""
        self._say("checking", "the link looks whether it is reached from outside")
        left = list(registered.names)
        if not left:
            self._say("checking", "the gateway routes no name to this link yet")
        while left:
            for name in list(left):
                reason = await to_thread.run_sync(
                    self._means.outside.missing, name, registered.peers, abandon_on_cancel=True
                )
                self._note_name(name, reason)
                if reason is None:
                    left.remove(name)
            await anyio.sleep(self._pace.check_pause)

    def _note_name(self, name: str, reason: str | None) -> None:
        before = self._health
        missing = {each: why for each, why in before.missing.items() if each != name}
        if reason is None:
            names = [*(each for each in before.names if each != name), name]
            self._health = _replaced(before, names=names, missing=missing)
            self._say_reached(f"https://{name} leads here")
        else:
            self._health = _replaced(before, missing={**missing, name: reason})
            if before.missing.get(name) != reason:
                log.info("link_name_missing", name=name, reason=reason)
            sentence = before.sentence if before.state == "ready" else f"{name} does not lead here yet: {reason}"
            self._say(before.state, sentence)

    def _say_reached(self, sentence: str) -> None:
        """Say ready where a name was reached, else that this is still looked at."""
        self._say("ready" if self._health.names else "checking", sentence)

    def _say(self, state: State, sentence: str) -> None:
        if state in ("registering", "connecting") and self._health.state not in ("registering", "connecting"):
            self._health = _replaced(self._health, names=[], missing={})
        if state != self._health.state:
            log.info("link_is", state=state, sentence=sentence)
        self._health = LinkHealth(
            state, sentence, health.boot_seconds(), self._way.mode, self._health.names, self._health.missing
        )
        health.write(self._means.run_folder, self._health)

    async def _beat(self) -> None:
        while True:
            await anyio.sleep(BEAT_SECONDS)
            self._say(self._health.state, self._health.sentence)

    def _tell_refusal(self, error: MosaicError) -> None:
        log.warning("link_not_registered", reason=error.message, hint=error.hint)
        self._say("registering", error.message)

    def _asking(self) -> Register:
        return Register(
            session=self._means.outside.session,
            epoch=str(self._settings.epoch),
            mode=self._way.mode,
            version=self._means.version,
            public_key=self._tunnel.public_key,
            names=list(self._settings.names),
        )

    def _choices(self) -> Choices:
        return Choices(len(self._means.apis), 2 if self._other_kind() is not self._way else 1)

    def _other_kind(self) -> Way:
        """Return the first way that needs another kind of network: where one WireGuard is silent, so is the other."""
        is_tcp = self._way.mode == "tcp"
        return next((way for way in self._means.ways if (way.mode == "tcp") != is_tcp), self._way)

    def _following(self) -> Way:
        """Return the next way in their order, and the first after the last: this one could not be made here."""
        ways = list(self._means.ways)
        return ways[(ways.index(self._way) + 1) % len(ways)]

    async def _change_way(self, way: Way) -> None:
        await self._tunnel.close()
        self._way = way
        self._tunnel = way.make()
        log.info("link_mode", mode=way.mode)

    async def _leave(self) -> None:
        """Tell the gateway that it need not wait, and take everything down."""
        if self._registered is not None:
            left = Leave(self._registered.registration)
            with anyio.move_on_after(self._pace.leave_deadline), contextlib.suppress(MosaicError):
                await to_thread.run_sync(self._registrar.api.leave, left, abandon_on_cancel=True)
        await self._tunnel.close()
        await to_thread.run_sync(self._means.caddy.stop)


def _replaced(before: LinkHealth, *, missing: dict[str, str], names: list[str] | None = None) -> LinkHealth:
    kept = before.names if names is None else names
    return LinkHealth(before.state, before.sentence, before.at, before.mode, kept, missing)
