"""The oldest Docker engine and compose plugin that Mosaic works with, and what to say to older ones."""

import re

from mosaic.core.errors import Refused

API_FLOOR = (1, 41)
COMPOSE_FLOOR = (2, 20)

_NUMBERS = re.compile(r"(\d+)\.(\d+)")


class EngineTooOld(Refused):
    """The engine speaks an older API than Mosaic needs."""

    code = "engine-too-old"

    def __init__(self, version: str) -> None:
        super().__init__(
            f"the Docker engine is {version}, and 20.10 (API 1.41) is the oldest that works",
            hint="update Docker; `script/setup` installs a current one",
        )


class ComposeMissing(Refused):
    """There is no compose plugin."""

    code = "compose-missing"

    def __init__(self) -> None:
        super().__init__(
            "`docker compose` does not work here, and apps are started by it",
            hint="install the compose plugin 2.20 or newer; `script/setup` does",
        )


class ComposeTooOld(Refused):
    """The compose plugin is older than what Mosaic needs."""

    code = "compose-too-old"

    def __init__(self, version: str) -> None:
        super().__init__(
            f"`docker compose` is {version}, and 2.20 is the oldest that works",
            hint="update the compose plugin; `script/setup` does",
        )


def require_engine(version: str, api: tuple[int, ...]) -> None:
    """Raise EngineTooOld for an API older than the floor."""
    if api < API_FLOOR:
        raise EngineTooOld(version)


def require_compose(printed: str) -> None:
    """Take what `docker compose version --short` printed. Raises ComposeTooOld, also for what names no version."""
    numbers = _NUMBERS.search(printed)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < COMPOSE_FLOOR:
        raise ComposeTooOld(printed)
