"""What a command requires of an installation before anything is run."""

from collections.abc import Sequence

from mosaic.core.errors import NotFound, Refused
from mosaic.device.means import Means


class NotHere(NotFound):
    """The installation does not run on this Device."""

    code = "installation-not-here"

    def __init__(self, installation: str) -> None:
        super().__init__(
            f"installation {installation[:40]!r} was not started on this Device",
            hint="`mosaic show NAME` says where it is",
        )


class ServiceUnknown(NotFound):
    """The app has no service of this name."""

    code = "service-unknown"

    def __init__(self, service: str, services: Sequence[str]) -> None:
        super().__init__(f"there is no service {service[:40]!r} in it", hint=f"its services: {', '.join(services)}")


class BeingUpdated(Refused):
    """The app is stopped and started by its update just now."""

    code = "being-updated"

    def __init__(self) -> None:
        super().__init__(
            "it is being updated, and is stopped and started for that",
            hint="wait until its update is over: `mosaic show NAME` tells",
        )


def require_here(means: Means, installation: str) -> None:
    """Only what the ledger knows becomes a path or a project's name. Raises NotHere."""
    if means.records.notes.get(installation) is None:
        raise NotHere(installation)


def require_not_updated(means: Means, installation: str) -> None:
    """While an update stops and starts the app nobody else does anything to it. Raises BeingUpdated."""
    if means.records.update_of(installation).closed:
        raise BeingUpdated
