"""Having one container stand as a value says: found as it is, started again, or made anew.

The container is known by its name and by the labels of
`mosaic.core.device_container`; one of that name that has none of them, or
that serves another state folder, is somebody else's, and is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mosaic.adapters.docker.api import Api, EngineRefused, quoted
from mosaic.adapters.docker.sights import EngineUnreadable
from mosaic.core.device_container import GIVEN_LABEL, PART_LABEL, STATE_LABEL, Container
from mosaic.core.errors import Conflict, Refused

_LONGEST_GRACE_SECONDS = 120
_NOT_SHARED = "is not a shared"


class ContainerNameTaken(Conflict):
    """Somebody else's container has the name."""

    code = "container-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the engine has a container {name} that is not this Device's",
            hint=f"rename it (`docker rename {name} ANOTHER`), or give this Device another volume driver: `--driver`",
        )


class NotShared(Refused):
    """The engine cannot share a folder's mounts with a container."""

    code = "mount-not-shared"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"what is mounted under {folder} in a container is not seen by this machine",
            hint=f"make it a shared mount: `mount --bind {folder} {folder} && mount --make-rshared {folder}`",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A container of a Device; `part` is what it is of it."""

    id: str
    part: str


class _Listed(msgspec.Struct, rename="pascal"):
    id: str
    labels: dict[str, str]


class _State(msgspec.Struct, rename="pascal"):
    running: bool


class _Config(msgspec.Struct, rename="pascal"):
    image: str = ""
    labels: dict[str, str] | None = None


class _Seen(msgspec.Struct, rename="pascal"):
    id: str
    image: str
    state: _State
    config: _Config

    def is_made_as(self, wanted: Container) -> bool:
        """Whether it is of the image, by name or id, and was given what is wanted."""
        given = dict(wanted.labels)[GIVEN_LABEL]
        return wanted.image in (self.image, self.config.image) and (self.config.labels or {}).get(GIVEN_LABEL) == given


class _Bind(msgspec.Struct, rename="pascal"):
    source: str
    target: str
    read_only: bool
    type: str = "bind"


class _Device(msgspec.Struct, rename="pascal"):
    path_on_host: str
    path_in_container: str
    cgroup_permissions: str = "rwm"


class _Restart(msgspec.Struct, rename="pascal"):
    name: str


class _Host(msgspec.Struct, rename="pascal"):
    binds: list[str]
    mounts: list[_Bind]
    cap_add: list[str]
    security_opt: list[str]
    devices: list[_Device]
    device_cgroup_rules: list[str]
    network_mode: str
    pid_mode: str
    restart_policy: _Restart
    cap_drop: list[str]
    sysctls: dict[str, str]
    tmpfs: dict[str, str]


class _New(msgspec.Struct, rename="pascal"):
    image: str
    cmd: list[str]
    env: list[str]
    labels: dict[str, str]
    stop_timeout: int
    host_config: _Host


def stand(engine: Api, wanted: Container, *, also: Sequence[Container] = ()) -> bool:
    """Have the container run as `wanted`, or as it is when made as one of `also`. Returns whether it was made now.

    One of another image, or that was given something else, is stopped with its
    grace and removed first. May be killed at any line and called again.

    Raises:
        ContainerNameTaken: somebody else's container has the name; nothing was changed.
        NotShared: the machine does not share a folder that the container shares; none is left then.
        EngineRefused: the engine said no; none that was made now is left.
        EngineSilent: it said nothing.
    """
    seen = _ours(engine, wanted)
    if seen is not None and any(seen.is_made_as(one) for one in (wanted, *also)):
        if not seen.state.running:
            _start(engine, wanted)
        return False
    _make_anew(engine, wanted, seen)
    return True


def stand_unless_running(engine: Api, wanted: Container) -> bool:
    """Have the container run; one that runs is left alone whatever it was given, for what is in it would end with it.

    Returns whether it was started or made now. Else as `stand`, with the same errors.
    """
    seen = _ours(engine, wanted)
    if seen is not None and seen.state.running:
        return False
    if seen is not None and seen.is_made_as(wanted):
        _start(engine, wanted)
    else:
        _make_anew(engine, wanted, seen)
    return True


def runs_as(engine: Api, wanted: Container) -> bool | None:
    """Return whether the one that runs was made as `wanted`; None when none runs.

    Raises ContainerNameTaken, EngineRefused, EngineSilent.
    """
    seen = _ours(engine, wanted)
    return seen.is_made_as(wanted) if seen is not None and seen.state.running else None


def parts(engine: Api, state: str) -> list[Found]:
    """Return every container of the Device with this state folder, whether it runs or not."""
    answer = engine.get("/containers/json", filters={"label": [PART_LABEL, f"{STATE_LABEL}={state}"]}, all="true")
    try:
        listed = msgspec.json.decode(answer, type=list[_Listed])
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
    return [Found(one.id, one.labels[PART_LABEL]) for one in listed]


def end(engine: Api, found: Found) -> None:
    """Stop the container with the grace that it was made with, and remove it. One that is gone is fine."""
    path = f"/containers/{quoted(found.id)}"
    engine.post(f"{path}/stop", seconds=_LONGEST_GRACE_SECONDS)
    engine.delete(path, force="true")


def awake(engine: Api, wanted: Container) -> None:
    """Have the container run that has the name, as it is; only where there is none is one made, as `wanted`.

    Raises as `stand`.
    """
    seen = _ours(engine, wanted)
    if seen is None:
        _make_anew(engine, wanted, None)
    elif not seen.state.running:
        _start(engine, wanted)


def remove(engine: Api, container: Container) -> None:
    """Stop the container with its grace, and remove it; its data stays. One that is not there is fine."""
    path = f"/containers/{quoted(container.name)}"
    engine.post(f"{path}/stop", seconds=container.stop_seconds, t=str(container.stop_seconds))
    engine.delete(path, force="true")


def _ours(engine: Api, wanted: Container) -> _Seen | None:
    """Return the container of that name, None where there is none. Raises ContainerNameTaken."""
    answer = engine.find(f"/containers/{quoted(wanted.name)}/json")
    if answer is None:
        return None
    seen = _decoded(answer)
    labels = seen.config.labels or {}
    if PART_LABEL not in labels or labels.get(STATE_LABEL) != dict(wanted.labels).get(STATE_LABEL):
        raise ContainerNameTaken(wanted.name)
    return seen


def _make_anew(engine: Api, wanted: Container, seen: _Seen | None) -> None:
    if seen is not None:
        remove(engine, wanted)
    # One line later its answer may be lost; the next call finds it, made as wanted and not running.
    if not engine.post("/containers/create", _new(wanted), name=wanted.name):
        raise EngineRefused(f"there is no image {wanted.image}")
    try:
        _start(engine, wanted)
    except (NotShared, EngineRefused):
        engine.delete(f"/containers/{quoted(wanted.name)}", force="true")
        raise


def _start(engine: Api, container: Container) -> None:
    try:
        engine.post(f"/containers/{quoted(container.name)}/start")
    except EngineRefused as error:
        shared = [mount.source for mount in container.mounts if mount.is_shared or mount.is_followed]
        if shared and _NOT_SHARED in error.message:
            raise NotShared(shared[0]) from error
        raise


def _new(wanted: Container) -> _New:
    return _New(
        image=wanted.image,
        cmd=list(wanted.command),
        env=[f"{name}={value}" for name, value in wanted.environment],
        labels=dict(wanted.labels),
        stop_timeout=wanted.stop_seconds,
        host_config=_Host(
            binds=[
                f"{mount.source}:{mount.target}:{','.join(mount.options) or 'rw'}"
                for mount in wanted.mounts
                if mount.is_made
            ],
            mounts=[_Bind(one.source, one.target, one.read_only) for one in wanted.mounts if not one.is_made],
            cap_add=list(wanted.capabilities),
            cap_drop=["ALL"],
            security_opt=list(wanted.security),
            devices=[_Device(device, device) for device in wanted.devices],
            device_cgroup_rules=list(wanted.device_rules),
            network_mode=wanted.network,
            pid_mode="host" if wanted.sees_processes else "",
            restart_policy=_Restart(wanted.restart),
            sysctls=dict(wanted.sysctls),
            tmpfs=dict.fromkeys(wanted.in_memory, ""),
        ),
    )


def _decoded(answer: bytes) -> _Seen:
    try:
        return msgspec.json.decode(answer, type=_Seen)
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
