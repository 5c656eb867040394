"""Which volume is meant by what a person typed: the beginning of its key, or its app's name."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from mosaic.core.errors import NotFound


class VolumeUnknown(NotFound):
    """No volume has a key that begins like this or an app of this name, or several have."""

    code = "volume-unknown"

    def __init__(self, name: str, keys: Sequence[str]) -> None:
        if keys:
            shown = ", ".join(key[:12] for key in keys[:3])
            super().__init__(f"{name!r} is {len(keys)} volumes", hint=f"give the beginning of one's key: {shown}")
        else:
            super().__init__(
                f"no volume's key begins with {name!r}, and no app is called so", hint="`mosaic volume list` shows them"
            )


class Nameable(Protocol):
    """A volume, its app's name and its kind."""

    @property
    def volume(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


V = TypeVar("V", bound=Nameable)


def named(volumes: Sequence[V], name: str) -> V:
    """Return the one volume that is meant; of an app's own volumes the one with its data. Raises VolumeUnknown."""
    called = [one for one in volumes if one.name == name and one.kind == "data"]
    found = called or [one for one in volumes if name and one.volume.startswith(name)]
    if len(found) != 1:
        raise VolumeUnknown(name, [one.volume for one in found])
    return found[0]
