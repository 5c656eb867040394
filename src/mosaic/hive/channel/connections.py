"""Which Devices are connected, and what each of them last said. In memory, for one event loop."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from mosaic.core.ids import AccountId, DeviceId, InstallationId, SessionId
from mosaic.core.lease import Holder
from mosaic.hive.channel.sights import Heard
from mosaic.hive.waking import Waking
from mosaic.wire.assignment import Assignment
from mosaic.wire.channel import Assignments, Goodbye
from mosaic.wire.command import SPOKEN_SINCE_EVER, Command, CommandBody, CommandResult

_REVISIONS_KEPT = 32
_NO_CLOCK_SAYS = 2**62


@dataclass
class Connection:
    """One open channel. `changed` is woken when the Device should be sent something; `knows` are kinds of commands."""

    device: DeviceId
    session: SessionId
    account: AccountId
    token: str = field(repr=False)
    knows: frozenset[str] = SPOKEN_SINCE_EVER
    changed: Waking = field(default_factory=Waking)
    goodbye: Goodbye | None = None
    answered: Waking = field(default_factory=Waking)
    _answers: dict[str, CommandResult | None] = field(default_factory=dict)
    _orders: list[Command] = field(default_factory=list)
    _order_seq: int = 0
    _revision: int = 0
    _told: dict[int, Mapping[InstallationId, int]] = field(default_factory=dict)
    _items: list[Assignment] | None = None
    _revisions: Mapping[InstallationId, int] | None = None
    _root_id: str = ""
    _upgrades: bool = False
    _must_report: bool = False
    _must_answer: bool = False

    @property
    def holder(self) -> Holder:
        """Who speaks on this channel."""
        return Holder(self.device, self.session)

    def tell(
        self,
        items: list[Assignment],
        revisions: Mapping[InstallationId, int],
        now_ns: int,
        *,
        root_id: str = "",
        upgrades: bool = False,
    ) -> Assignments | None:
        """Return the message to send, None when the Device was told just this already.

        Revisions begin at the time, so that an answer to what an earlier run
        of the Hive said is never taken for an answer to this one.
        """
        known = (self._items, self._revisions, self._root_id, self._upgrades)
        if (items, revisions, root_id, upgrades) == known:
            return None
        self._items, self._revisions, self._root_id, self._upgrades = items, dict(revisions), root_id, upgrades
        self._revision = max(self._revision + 1, now_ns // 1000)
        self._told[self._revision] = self._revisions
        for old in sorted(self._told)[:-_REVISIONS_KEPT]:
            del self._told[old]
        return Assignments(self._revision, items, root_id, upgrades)

    def catch_up(self, revision: int) -> bool:
        """Hear which revision the Device has; return whether it must be told again.

        One that is later than all we said here is of an earlier channel, and
        the clock was set back since: the Device ignores what we say until it
        is later still.
        """
        if not self._revision < revision < _NO_CLOCK_SAYS:
            return False
        self._revision = revision
        self._items, self._revisions = None, None
        return True

    def answers_to(self, revision: int) -> Mapping[InstallationId, int]:
        """Return the placements' revisions that the Device knew when it had seen the Assignments of `revision`."""
        return self._told.get(revision, {})

    def order(self, body: CommandBody, *, expires_ns: int, command: str = "", audit: str = "") -> str:
        """Queue a command under an id, one of its own without it, and return that."""
        self._order_seq += 1
        ordered = Command(command or secrets.token_hex(8), self._order_seq, expires_ns, body, audit)
        self._orders.append(ordered)
        self._answers[ordered.id] = None
        self.changed.wake()
        return ordered.id

    def take_orders(self) -> list[Command]:
        """Return the commands that wait to be sent, and forget them."""
        orders, self._orders = self._orders, []
        return orders

    def ask_for_report(self) -> None:
        """Have the Device asked for a whole report."""
        self._must_report = True
        self.changed.wake()

    def takes_report(self) -> bool:
        """Return whether the Device is to be asked for a whole report, and forget it."""
        asked, self._must_report = self._must_report, False
        return asked

    def answer_report(self) -> None:
        """Have the Device told that its report was heard."""
        self._must_answer = True
        self.changed.wake()

    def takes_answer(self) -> bool:
        """Return whether the Device is to be told that its report was heard, and forget it."""
        asked, self._must_answer = self._must_answer, False
        return asked

    async def result(self, command_id: str, *, seconds: float) -> CommandResult | None:
        """Wait for the answer to a command; None when none came in time. One that comes later is dropped."""
        try:
            with anyio.move_on_after(seconds):
                while True:
                    seen = self.answered.seen
                    found = self._answers[command_id]
                    if found is not None:
                        return found
                    await self.answered.wait(seen, seconds=seconds)
        finally:
            del self._answers[command_id]
        return None

    def hear(self, result: CommandResult) -> None:
        """Take in an answer, if somebody waits for it."""
        if result.id in self._answers:
            self._answers[result.id] = result
            self.answered.wake()

    def end(self, goodbye: Goodbye) -> None:
        """Say goodbye and close the channel."""
        self.goodbye = goodbye
        self.changed.wake()


class Connections:
    """The newest connection of each Device, and what each Device's newest session said."""

    def __init__(self) -> None:
        self._open: dict[DeviceId, Connection] = {}
        self._heard: dict[DeviceId, Heard] = {}
        self._superseded: set[DeviceId] = set()

    def attach(self, connection: Connection) -> None:
        """Make this the Device's connection. An older one is told goodbye; what an older session said is forgotten."""
        older = self._open.get(connection.device)
        self._open[connection.device] = connection
        heard = self._heard.get(connection.device)
        if heard is not None and heard.session != connection.session:
            del self._heard[connection.device]
        if older is None:
            return
        if older.session == connection.session:
            older.end(Goodbye("hive-busy", "the same session has connected again", "nothing to do", retry=True))
        else:
            older.end(superseded())

    def detach(self, connection: Connection) -> None:
        """Forget the connection, unless a newer one took its place."""
        if self._open.get(connection.device) is connection:
            del self._open[connection.device]

    def get(self, device: DeviceId) -> Connection | None:
        """Return the Device's open connection."""
        return self._open.get(device)

    def all(self) -> list[Connection]:
        """Return all open connections."""
        return list(self._open.values())

    def hear(self, device: DeviceId, heard: Heard) -> None:
        """Keep what the Device's newest session said."""
        self._heard[device] = heard

    def heard(self) -> dict[DeviceId, Heard]:
        """Return what every Device's newest session said since the Hive started."""
        return dict(self._heard)

    def note_superseded(self, device: DeviceId) -> None:
        """Remember that an older session of the Device was turned away: two machines share an identity."""
        self._superseded.add(device)

    def superseded(self) -> frozenset[DeviceId]:
        """Return the Devices that two machines speak for."""
        return frozenset(self._superseded)

    def forget(self, device: DeviceId) -> None:
        """Forget a Device that was removed, and end its connection."""
        self._heard.pop(device, None)
        self._superseded.discard(device)
        connection = self._open.pop(device, None)
        if connection is not None:
            connection.end(removed())

    def end_all(self) -> None:
        """End every channel: this Hive stops, and the Devices shall come again."""
        for connection in self.all():
            connection.end(Goodbye("hive-busy", "the Hive stops", "the device connects again by itself", retry=True))

    def wake(self, devices: set[DeviceId]) -> None:
        """Let these Devices' channels look for something to send."""
        for device in devices:
            connection = self._open.get(device)
            if connection is not None:
                connection.changed.wake()


def removed() -> Goodbye:
    """Return what a Device is told that was removed. Its key is never taken again."""
    return Goodbye(
        "device-removed",
        "this device was removed from its account",
        "to use the machine again: `mosaic device run --new-identity` with a new join token",
    )


def superseded() -> Goodbye:
    """Return what an older session is told."""
    return Goodbye(
        "session-superseded",
        "another start of this same device has connected since",
        "if this machine is a clone, give it an identity of its own: `mosaic device run --new-identity`",
    )
