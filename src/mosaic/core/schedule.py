"""Choosing the Device that a new installation goes to.

The smallest rule that surprises nobody: the named one, or the only one that
can take it. With a choice to make, the owner makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import DeviceId


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Device as the scheduler sees it. `connected` is whether it has reported lately enough to be given work."""

    device: DeviceId
    name: str
    admitted: bool
    connected: bool
    architecture: str | None = None


class DeviceUnknown(NotFound):
    """No Device has that name."""

    code = "device-unknown"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"no device is called {name}",
            hint=f"there is {', '.join(known)}" if known else "add one: `mosaic device add`",
        )


class NoDeviceFits(Refused):
    """No Device can take it, or more than one could."""

    code = "no-device-fits"

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what, hint=hint)


def choose_device(
    candidates: Sequence[Candidate], *, named: str | None = None, architectures: Sequence[str] = ()
) -> DeviceId:
    """Return the Device to install on. `architectures` are the ones that the app's images have; empty is any.

    Raises:
        DeviceUnknown: nothing is called `named`.
        NoDeviceFits: the named one, or every one, cannot take it (each with its reason), or several can.
    """
    if named is not None:
        chosen = [one for one in candidates if named in (one.name, one.device)]
        if not chosen:
            raise DeviceUnknown(named, sorted(one.name for one in candidates))
        candidates = chosen
    reasons = {one.name: reason for one in candidates if (reason := _obstacle(one, architectures)) is not None}
    fitting = [one for one in candidates if one.name not in reasons]
    if len(fitting) == 1:
        return fitting[0].device
    if fitting:
        names = sorted(one.name for one in fitting)
        raise NoDeviceFits(f"{', '.join(names)} could each take it", hint=f"choose one: `--device {names[0]}`")
    if not candidates:
        raise NoDeviceFits("there is no device yet", hint="add one: `mosaic device add`")
    because = "; ".join(f"{name} {reason}" for name, reason in sorted(reasons.items()))
    raise NoDeviceFits(f"no device can take it: {because}", hint="`mosaic device list` says how each device is")


def _obstacle(one: Candidate, architectures: Sequence[str]) -> str | None:
    if not one.admitted:
        return "waits to be admitted"
    if not one.connected:
        return "is not connected"
    if architectures and one.architecture not in architectures:
        return f"is {one.architecture or 'of unknown architecture'}, and the app is for {', '.join(architectures)}"
    return None
