"""The container that this process runs in, as the engine knows it, and the engine's machine.

On the machine's network a container has the machine's host name, so that its
id is read from what the engine mounts into every container: the file
`/etc/hostname`, which lies in the container's folder on the machine.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from mosaic.adapters import mount_tables
from mosaic.adapters.docker.api import Api, quoted
from mosaic.adapters.docker.sights import EngineUnreadable
from mosaic.adapters.mount_tables import mounts
from mosaic.core.errors import Refused

_Kind = TypeVar("_Kind")
_HOSTNAME = Path("/etc/hostname")
_FOLDER = re.compile(r"/([0-9a-f]{64})(?:/userdata)?/hostname$")


class ContainerUnrecognised(Refused):
    """The engine has no container that this process could be in."""

    code = "container-unrecognised"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"this Device cannot tell which container it runs in: {why}",
            hint="start it by the line that `mosaic device add` or the Console shows, on the engine that it is to use",
        )


@dataclass(frozen=True, slots=True)
class OwnContainer:
    """`image` is the image's id, `mounts` each path in the container with the machine's own path for it."""

    id: str
    image: str
    mounts: dict[str, str]


class _Mount(msgspec.Struct, rename="pascal"):
    source: str = ""
    destination: str = ""


class _Seen(msgspec.Struct, rename="pascal"):
    id: str
    image: str
    mounts: list[_Mount] = []


class _Machine(msgspec.Struct, rename="pascal"):
    name: str


def own_id(table: str) -> str | None:
    """Return the id of the container whose mount table (`/proc/self/mountinfo`) this is; None for that of a machine."""
    for mount in mounts(table):
        found = _FOLDER.search(mount.within) if mount.point == _HOSTNAME else None
        if found:
            return found[1]
    return None


def own_container(engine: Api, *, table: Path = mount_tables.OWN) -> OwnContainer:
    """Ask the engine about the container that this process is in. Raises ContainerUnrecognised, EngineSilent."""
    own = own_id(mount_tables.read(table))
    if own is None:
        raise ContainerUnrecognised("nothing in its mounts names one")
    answer = engine.find(f"/containers/{quoted(own)}/json")
    if answer is None:
        raise ContainerUnrecognised(f"the engine has no container {own[:12]}")
    seen = _decoded(answer, _Seen)
    return OwnContainer(seen.id, seen.image, {mount.destination: mount.source for mount in seen.mounts})


class _Restart(msgspec.Struct, rename="pascal"):
    name: str


class _Changed(msgspec.Struct, rename="pascal"):
    restart_policy: _Restart


def stay_ended(engine: Api, own: OwnContainer) -> None:
    """Have the engine not start this container again when it ends: trying again cannot help. Its logs stay."""
    engine.post(f"/containers/{quoted(own.id)}/update", _Changed(_Restart("no")))


def machine_host_name(engine: Api) -> str:
    """Return the host name of the engine's machine. Raises EngineSilent."""
    return _decoded(engine.get("/info"), _Machine).name


def _decoded(answer: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
