"""Going back to an earlier state of an installation's data: the storage daemon does it, this asks and waits.

The present is saved first. Both functions make the same request, which the
daemon carries out once, however often it is asked.
"""

from collections.abc import Callable

from mosaic.device import vouching
from mosaic.device.doing.volumes import Show, summed
from mosaic.device.doing.waiting import VolumeNotReady, until
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment, GoingBack
from mosaic.wire.storage import GoBack, VolumeState

_GIVEN_UP = ("failed", "set-aside", "released", "absent")
"""Phases that say that the volume is not held any more: there is nothing to wait for."""


async def save_present(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Wait until all of the present is in an accepted head."""
    if item.going_back is not None:
        await _ask_until(means, item, item.going_back, epoch, show, is_over=_is_saved)


async def go_back(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Wait until the earlier state has taken the present's place. Raises VolumeNotReady when the present stays."""
    if item.going_back is not None:
        seen = await _ask_until(means, item, item.going_back, epoch, show, is_over=_has_gone)
        if seen is not None and seen.went_back is not None and seen.went_back.failure is not None:
            raise VolumeNotReady(seen.went_back.failure)


async def _ask_until(
    means: Means,
    item: Assignment,
    wish: GoingBack,
    epoch: str,
    show: Show,
    *,
    is_over: Callable[[VolumeState, str], bool],
) -> VolumeState | None:
    request = GoBack(
        volume=wish.volume,
        epoch=epoch,
        id=wish.id,
        head=wish.head,
        # What nobody vouches for is not written into a head: the state's own says what it belongs to.
        app_digest=item.app_digest if await vouching.is_vouched(means, item, item.app_digest) else None,
        config_revision=item.config_revision,
        conflict=wish.conflict,
    )
    await ask(means.storage.go_back, request)
    last: list[VolumeState] = []
    told = summed(show)

    def seen(found: list[VolumeState]) -> None:
        last[:] = found
        told(found)

    await until(
        means,
        [wish.volume],
        lambda volume: is_over(volume, wish.id),
        show=seen,
        gave_up=lambda volume: volume.phase in _GIVEN_UP,
    )
    return last[0] if last else None


def _is_saved(seen: VolumeState, wish: str) -> bool:
    saved = seen.going_back is not None and seen.going_back.id == wish and seen.going_back.saved is not None
    return saved or _has_gone(seen, wish)


def _has_gone(seen: VolumeState, wish: str) -> bool:
    return seen.went_back is not None and seen.went_back.id == wish
