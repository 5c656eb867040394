"""Where an installation is, where it is going, and what its owner can ask for.

Each request is a transition that either returns the new placement or refuses
and changes nothing; `failover.advance` then carries it on, report by report.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict
from mosaic.core.ids import DeviceId
from mosaic.core.lease import Lease, revoke


class Wish(StrEnum):
    """Whether the owner wants the app to run."""

    RUN = "run"
    STOP = "stop"


class Phase(StrEnum):
    """Where an installation is in a move (see `failover`), or that it was uninstalled."""

    SETTLED = "settled"
    PREPARING = "preparing"
    DRAINING = "draining"
    ARRIVING = "arriving"
    CONFIRMING = "confirming"
    TRASHED = "trashed"


@dataclass(frozen=True, slots=True)
class Placement:
    """One installation's whereabouts. Everything in it is worth a database column.

    `home` is the only Device that may hold the lease in this phase. `other`
    is the target while preparing and draining (draining to None: it is parked,
    see `park`), and the Device to send it back to while arriving (None:
    nowhere). `returning` marks a drain back after a failed arrival. `since_ns`
    is when the phase began. `arrival` is the epoch that home was first granted,
    None before. `revision` grows with every change of phase or wish. `problem`
    is why the last attempt failed.
    """

    lease: Lease
    home: DeviceId
    phase: Phase
    wish: Wish
    since_ns: int
    revision: int = 0
    other: DeviceId | None = None
    returning: bool = False
    arrival: Epoch | None = None
    problem: str | None = None


class Moving(Conflict):
    """The installation is in the middle of something else."""

    code = "moving"

    def __init__(self, phase: Phase) -> None:
        super().__init__(
            f"the installation is {phase.value} at the moment",
            hint="watch it with `mosaic show NAME`; `mosaic move NAME --cancel` stops a move that has not arrived yet",
        )


class InTrash(Conflict):
    """The installation was uninstalled."""

    code = "in-trash"

    def __init__(self) -> None:
        super().__init__(
            "the installation is in the trash",
            hint="`mosaic trash list` shows it, `mosaic trash restore NAME` brings it back",
        )


class NotInTrash(Conflict):
    """There is nothing to restore: the installation is installed."""

    code = "not-in-trash"

    def __init__(self) -> None:
        super().__init__("the installation is not in the trash", hint="`mosaic show NAME` says how it is")


class AlreadyThere(Conflict):
    """A move to the Device that it is on."""

    code = "already-there"

    def __init__(self, device: DeviceId) -> None:
        super().__init__(
            f"the installation is on device {device} already",
            hint="name another device: `mosaic device list` shows them",
        )


def enter(placement: Placement, phase: Phase, now_ns: int) -> Placement:
    """Return the placement at the beginning of `phase`."""
    return replace(placement, phase=phase, since_ns=now_ns, revision=placement.revision + 1)


def install(lease: Lease, device: DeviceId, now_ns: int) -> Placement:
    """Place a new installation: it arrives on `device`, and there is nowhere to send it back to."""
    return Placement(lease, device, Phase.ARRIVING, Wish.RUN, now_ns)


def move(placement: Placement, target: DeviceId, now_ns: int) -> Placement:
    """Begin a planned move. Asking for the move that is under way changes nothing.

    Raises:
        AlreadyThere, InTrash: there is nothing to move.
        Moving: another move is under way.
    """
    if placement.phase is Phase.TRASHED:
        raise InTrash
    if is_parked(placement):
        if target == placement.home or placement.lease.released:
            return _arriving(placement, target, now_ns)
        return replace(placement, other=target, revision=placement.revision + 1)
    if placement.phase in (Phase.PREPARING, Phase.DRAINING) and target == placement.other and not placement.returning:
        return placement
    if placement.phase in (Phase.PREPARING, Phase.DRAINING) or _has_way_back(placement):
        raise Moving(placement.phase)
    if target == placement.home:
        raise AlreadyThere(target)
    return replace(enter(placement, Phase.PREPARING, now_ns), other=target, problem=None)


def park(placement: Placement, now_ns: int) -> Placement:
    """Stop the app and have everything handed over, with nowhere to go yet: its Device leaves.

    It is wanted as before, so that it starts again where it is moved to.

    Raises:
        InTrash: there is nothing to stop.
        Moving: a move is under way.
    """
    if placement.phase is Phase.TRASHED:
        raise InTrash
    if is_parked(placement):
        return placement
    if placement.phase in (Phase.PREPARING, Phase.DRAINING) or _has_way_back(placement):
        raise Moving(placement.phase)
    return replace(enter(placement, Phase.DRAINING, now_ns), other=None, returning=False, problem=None)


def is_parked(placement: Placement) -> bool:
    """Whether it hands over, or has handed over, what it has to nobody: it belongs on no Device then."""
    return placement.phase is Phase.DRAINING and placement.other is None


def _has_way_back(placement: Placement) -> bool:
    return placement.phase is Phase.ARRIVING and placement.other is not None


def force_move(placement: Placement, target: DeviceId, now_ns: int) -> Placement:
    """Give the installation to `target` without asking the holder.

    The caller showed the owner how many seconds of data would be lost. The
    old holder is fenced as soon as the target is granted, and keeps what it has.
    Forcing it to where it already is, unheld by anybody else, changes nothing.

    Raises:
        InTrash: restore it first.
    """
    if placement.phase is Phase.TRASHED:
        raise InTrash
    if target == placement.home and placement.phase in (Phase.SETTLED, Phase.ARRIVING, Phase.CONFIRMING):
        return placement
    return _arriving(placement, target, now_ns)


def _arriving(placement: Placement, target: DeviceId, now_ns: int) -> Placement:
    """Begin an arrival that has no way back."""
    holder = placement.lease.holder
    lease = placement.lease if holder and holder.device == target else revoke(placement.lease)
    after = enter(placement, Phase.ARRIVING, now_ns)
    return replace(after, lease=lease, home=target, other=None, returning=False, arrival=None, problem=None)


def cancel_move(placement: Placement, now_ns: int) -> Placement:
    """Stop a move that has not arrived: the app stays, or starts again, where it came from.

    Raises:
        Moving: it has arrived, or is on its way back by itself; move it back instead.
    """
    if placement.phase in (Phase.PREPARING, Phase.DRAINING) and not placement.returning:
        return _arriving(placement, placement.home, now_ns)
    if _has_way_back(placement):
        return replace(enter(placement, Phase.DRAINING, now_ns), returning=True, problem=None)
    raise Moving(placement.phase)


def want(placement: Placement, wish: Wish) -> Placement:
    """Start or stop the app where it is. Wishing the same again changes nothing.

    Raises:
        InTrash: restore it first.
    """
    if placement.phase is Phase.TRASHED:
        raise InTrash
    if placement.wish is wish:
        return placement
    return replace(placement, wish=wish, revision=placement.revision + 1)


def uninstall(placement: Placement, now_ns: int) -> Placement:
    """Stop the app and put it in the trash. Its data stays where it is, and in the store, for 30 days."""
    if placement.phase is Phase.TRASHED:
        return placement
    return replace(enter(placement, Phase.TRASHED, now_ns), other=None, returning=False, problem=None)


def restore_from_trash(placement: Placement, device: DeviceId, now_ns: int) -> Placement:
    """Bring an uninstalled app back on `device`, running.

    Raises:
        NotInTrash: it is installed.
        Moving: its last holder has not released it yet, and `device` is another one.
    """
    if placement.phase is not Phase.TRASHED:
        raise NotInTrash
    if device != placement.home and not placement.lease.released:
        raise Moving(placement.phase)
    return replace(_arriving(placement, device, now_ns), wish=Wish.RUN)


def force_from_trash(placement: Placement, device: DeviceId, now_ns: int) -> Placement:
    """Bring an uninstalled app back on `device`, running, without asking its last holder; else like `force_move`.

    Raises:
        NotInTrash: it is installed.
    """
    if placement.phase is not Phase.TRASHED:
        raise NotInTrash
    return replace(_arriving(placement, device, now_ns), wish=Wish.RUN)
