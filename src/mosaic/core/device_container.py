"""What the three containers of a Device are given, as values, and the words that start them.

A Device in containers is three: the Device itself, which a person starts, its
storage daemon and its LAN front, which the Device has the engine start and
which outlive it. None is privileged: each loses every capability and gets back those that
are named here, each with its reason. See docs/device.md and decision 49. In
isolated mode there is a fourth one, `contained_engine`.

A value never holds a secret. `passed` names the environment that the line, the
compose file or the unit takes its secrets from, so that whoever prints them
puts the values there, in a browser for instance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from mosaic.core.errors import Refused

DEFAULT_STATE = "/var/lib/mosaic"
DEFAULT_DRIVER = "mosaic"
DEVICE_NAME = "mosaic"
ENGINE_SOCKET = "/var/run/docker.sock"

IMAGE_REPOSITORY = "mosaic/device"
PLUGINS_OUTSIDE = "/run/docker/plugins"
PLUGINS = "/tmp/plugins"  # noqa: S108 (inside the container, where nobody else writes)
SPECS_OUTSIDE = "/etc/docker/plugins"
"""Where an engine reads of drivers that do not run."""
SPECS = "/tmp/specs"  # noqa: S108 (inside the container, as above)
PASSPHRASE_FILE = "/run/secrets/mosaic_passphrase"  # noqa: S105 (a path)
MACHINE_ID = "/etc/machine-id"

JOIN = "MOSAIC_JOIN"
PASSPHRASE = "MOSAIC_PASSPHRASE"  # noqa: S105 (a name)
SECRETS = (JOIN, PASSPHRASE)

PART_LABEL = "mosaic.part"
STATE_LABEL = "mosaic.state"
GIVEN_LABEL = "mosaic.given"
KEEPER_LABEL = "mosaic.image-file"
"""On a Device's container that somebody else starts anew: the file that names the image to start it from."""

STORAGE_CAPABILITIES = (
    "CHOWN",  # restored files belong to whom they belonged
    "DAC_OVERRIDE",  # apps' files are read whoever may read them
    "FOWNER",  # and get back their modes and times
    "FSETID",  # the set-group-id bit of a folder is part of its mode
    "MKNOD",  # nodes of loop devices: a container has none, and the kernel makes new ones
    "SETFCAP",  # files that carry capabilities of their own
    "SYS_ADMIN",  # mounting the pool, subvolumes, snapshots, attributes named `trusted.` and `security.`
    "SYS_PTRACE",  # seeing which processes have a volume mounted: an engine that was killed never says
)
LENDING_CAPABILITIES = (
    "NET_BIND_SERVICE",  # the Device itself opens the ports of its own engine's apps, and some are below 1024
)
_LOOP_CONTROL = "/dev/loop-control"
_LOOP_DEVICES = "b 7:* rmw"
_STOP_SECONDS = 60

_FRONT_STOP_SECONDS = 5

Part = Literal["device", "storage", "front", "engine", "upgrade"]


class PathUnfit(Refused):
    """A path that the engine could read as something else."""

    code = "path-unfit"

    def __init__(self, what: str, path: str) -> None:
        super().__init__(
            f"{path[:200]!r} cannot be {what} of a Device in a container",
            hint="give an absolute path without `:`, `,`, quotes, line ends or `..` in it, like /var/lib/mosaic",
        )


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of the machine, at `target` in the container.

    `is_shared`: what is mounted beneath it on either side is seen on the other.
    `is_followed`: what the machine mounts there is seen in the container, and not the other way round.
    `is_made`: the engine makes the folder where it is missing; else it refuses.
    """

    source: str
    target: str
    read_only: bool = False
    is_shared: bool = False
    is_made: bool = False
    is_followed: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The engine's words for how it is mounted."""
        said = {"ro": self.read_only, "rshared": self.is_shared, "rslave": self.is_followed}
        return tuple(word for word, holds in said.items() if holds)


@dataclass(frozen=True, slots=True)
class Container:
    """Everything that a container is given; what is not here it does not have.

    `environment` are names with values that anybody may see, `passed` the names
    whose values come from whoever starts it. All capabilities are taken away
    but `capabilities`. `devices` are paths of device nodes, `device_rules` which
    others it may use if it has them. It sees the machine's processes when
    `sees_processes`. `in_memory` are folders that are empty whenever it starts.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_rules: tuple[str, ...] = ()
    security: tuple[str, ...] = ("no-new-privileges", "label=disable")
    sees_processes: bool = False
    network: str = "host"
    restart: str = "unless-stopped"
    stop_seconds: int = _STOP_SECONDS
    sysctls: tuple[tuple[str, str], ...] = ()
    in_memory: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the owner chose for a Device in containers; everything has the usual value.

    `name` "" is the machine's own host name. `state` is the folder on the
    machine, seen under the same path inside. `passphrase_file` is a file on the
    machine that holds the passphrase, None when it is passed otherwise.
    `passed` are the names of secrets that the line takes from its environment.
    `has_machine_id` is False on machines without /etc/machine-id, and
    `own_engine` gives the Device an engine of its own (isolated mode).
    """

    image: str
    name: str = ""
    state: str = DEFAULT_STATE
    driver: str = DEFAULT_DRIVER
    container: str = DEVICE_NAME
    engine_socket: str = ENGINE_SOCKET
    passphrase_file: str | None = None
    passed: tuple[str, ...] = SECRETS
    has_machine_id: bool = True
    own_engine: bool = False


def image_of(version: str) -> str:
    """Return the name of the image of a version of Mosaic."""
    return f"{IMAGE_REPOSITORY}:{version}"


def storage_name(driver: str) -> str:
    """Return the name of the storage daemon's container."""
    return f"{driver}-storage"


def front_name(driver: str) -> str:
    """Return the name of the LAN front's container."""
    return f"{driver}-front"


def device(chosen: Chosen) -> Container:
    """Return what the Device's container is given: no capability, or in isolated mode one.

    Whoever may speak to the engine's socket may do anything on the machine,
    with capabilities or without. Raises PathUnfit.
    """
    state, socket = _path("the state folder", chosen.state), _path("the engine's socket", chosen.engine_socket)
    mounts = [
        Mount(socket, ENGINE_SOCKET, is_made=True),
        Mount(state, state, is_made=True),
    ]
    if not chosen.own_engine:
        mounts.append(Mount(PLUGINS_OUTSIDE, PLUGINS, read_only=True, is_made=True))
    if chosen.has_machine_id:
        mounts.append(Mount(MACHINE_ID, MACHINE_ID, read_only=True))
    if chosen.passphrase_file is not None:
        mounts.append(Mount(_path("the passphrase's file", chosen.passphrase_file), PASSPHRASE_FILE, read_only=True))
    environment = [("MOSAIC_STATE", state)] if state != DEFAULT_STATE else []
    environment += [("MOSAIC_NAME", chosen.name)] if chosen.name else []
    environment += [("MOSAIC_ENGINE", "own")] if chosen.own_engine else []
    options = () if chosen.driver == DEFAULT_DRIVER else ("--driver", chosen.driver)
    return Container(
        name=chosen.container,
        image=chosen.image,
        command=("device", "run", *options) if options else (),
        environment=tuple(environment),
        passed=chosen.passed,
        mounts=tuple(mounts),
        capabilities=LENDING_CAPABILITIES if chosen.own_engine else (),
        labels=_labels("device", state),
    )


def storage(
    *,
    image: str,
    state: str,
    driver: str,
    has_machine_id: bool,
    on_folders: bool = False,
    has_specs: bool = True,
    plugins: str | None = None,
    pool_gigabytes: int | None = None,
) -> Container:
    """Return what the storage daemon's container is given.

    `on_folders` is for machines whose state folder the engine cannot share with
    a container: nothing is mounted then, volumes are plain folders, and no
    device is needed. `plugins` is the folder in the state folder where the
    Device's own engine looks for volume drivers, None for the machine's engine.
    Without `has_specs` the machine's engine is not told of the driver for when it
    does not run: some machines have an /etc that nothing is added to.
    `pool_gigabytes` (GiB) is how large the pool's image shall be, if that was
    chosen. Raises PathUnfit.
    """
    state = _path("the state folder", state)
    own = f"{state}/storage"
    mounts = [Mount(state, state, is_shared=not on_folders, is_made=True)]
    specs: tuple[str, ...] = ()
    if plugins is None:
        mounts.append(Mount(PLUGINS_OUTSIDE, PLUGINS, is_made=True))
        if has_specs:
            mounts.append(Mount(SPECS_OUTSIDE, SPECS, is_made=True))
            specs = ("--specs", SPECS)
    if has_machine_id:
        mounts.append(Mount(MACHINE_ID, MACHINE_ID, read_only=True))
    command = ("storage", "serve", "--state", own, "--driver", driver, "--plugins", plugins or PLUGINS, *specs)
    made = Container(
        name=storage_name(driver),
        image=image,
        command=command,
        mounts=tuple(mounts),
        capabilities=STORAGE_CAPABILITIES,
        devices=(_LOOP_CONTROL,),
        device_rules=(_LOOP_DEVICES,),
        # The usual AppArmor profile of containers refuses every mount.
        security=("no-new-privileges", "label=disable", "apparmor=unconfined"),
        sees_processes=True,
    )
    if on_folders:
        made = replace(
            made,
            command=(*command, "--scan", f"{own}/folders"),
            capabilities=tuple(one for one in STORAGE_CAPABILITIES if one != "MKNOD"),
            devices=(),
            device_rules=(),
        )
    elif pool_gigabytes is not None:
        made = replace(made, command=(*command, "--pool-gigabytes", str(pool_gigabytes)))
    return labelled(made, "storage", state)


def front(*, image: str, state: str, driver: str) -> Container:
    """Return what the LAN front's container is given: no capability, no device, and no more than its own folder.

    Its ports are above those that need a capability. Raises PathUnfit.
    """
    state = _path("the state folder", state)
    own = f"{state}/front"
    made = Container(
        name=front_name(driver),
        image=image,
        command=("up-front", "--folder", own),
        mounts=(Mount(own, own, is_made=True),),
        stop_seconds=_FRONT_STOP_SECONDS,
    )
    return labelled(made, "front", state)


def replacer(*, image: str, device: str, state: str, engine_socket: str, trial_seconds: str = "") -> Container:
    """Return what the container is given that replaces the Device's container `device`: engine, state, no network.

    It is of the image that the Device had before. Raises PathUnfit.
    """
    state, socket = _path("the state folder", state), _path("the engine's socket", engine_socket)
    made = Container(
        name=f"{device}-upgrade",
        image=image,
        command=("device-replacer", "--state", state),
        environment=(("MOSAIC_UPGRADE_SECONDS", trial_seconds),) if trial_seconds else (),
        mounts=(Mount(socket, ENGINE_SOCKET, is_made=True), Mount(state, state, is_made=True)),
        network="none",
        stop_seconds=5,
    )
    return labelled(made, "upgrade", state)


def fingerprint(container: Container) -> str:
    """Return a short name of everything that a container is given, save its labels and its image."""
    return sha256(repr(replace(container, labels=(), image="")).encode()).hexdigest()[:32]


def labelled(made: Container, part: Part, state: str) -> Container:
    """Return the container with the labels by which it is found: which part of which Device it is, and what it got."""
    return replace(made, labels=(*_labels(part, state), (GIVEN_LABEL, fingerprint(made))))


def run_words(container: Container, *, terminal: bool = False, detached: bool = True) -> list[str]:
    """Return the words of `docker run`; each is one argument, to be quoted by whoever prints them.

    A name in `passed` stands alone after `--env`: the engine's client takes its
    value from its own environment. To say the value in the line itself, replace
    that word by `with_values`. With `terminal` the Device can ask for what it needs.
    """
    words = ["docker", "run"]
    words += ["--interactive", "--tty"] if terminal else ["--detach"] if detached else []
    words += ["--name", container.name, "--restart", container.restart]
    words += ["--stop-timeout", str(container.stop_seconds), "--network", container.network]
    words += ["--pid", "host"] if container.sees_processes else []
    words += ["--cap-drop", "ALL", *_each("--cap-add", container.capabilities)]
    words += _each("--security-opt", container.security)
    words += _each("--device", container.devices) + _each("--device-cgroup-rule", container.device_rules)
    words += _each("--sysctl", [f"{name}={value}" for name, value in container.sysctls])
    words += _each("--tmpfs", container.in_memory)
    for mount in container.mounts:
        words += _mount_words(mount)
    words += _each("--env", [f"{name}={value}" for name, value in container.environment])
    words += _each("--env", container.passed)
    words += _each("--label", [f"{name}={value}" for name, value in container.labels])
    return [*words, container.image, *container.command]


def with_values(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Return words in which each named environment value is said after its name.

    The words of a command can be read by every user of the machine while it runs.
    """
    said, before = [], ""
    for word in words:
        said.append(f"{word}={values[word]}" if before == "--env" and word in values else word)
        before = word
    return said


def without_passed(container: Container, names: Sequence[str]) -> Container:
    """Return the container without those names in `passed`: it has joined, or asks for them."""
    return replace(container, passed=tuple(one for one in container.passed if one not in names))


def _mount_words(mount: Mount) -> list[str]:
    if mount.is_made:
        options = [",".join(mount.options)] if mount.options else []
        return ["--volume", ":".join([mount.source, mount.target, *options])]
    words = f"type=bind,source={mount.source},target={mount.target}"
    return ["--mount", words + (",readonly" if mount.read_only else "")]


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _labels(part: Part, state: str) -> tuple[tuple[str, str], ...]:
    return ((PART_LABEL, part), (STATE_LABEL, state))


def _path(what: str, path: str) -> str:
    """Return an absolute path in which the engine reads no option. Raises PathUnfit."""
    parts = path.split("/")
    if not path.startswith("/") or path == "/" or ".." in parts or not path.isprintable() or set(path) & set(":,\"'\\"):
        raise PathUnfit(what, path)
    return "/" + "/".join(part for part in parts if part not in ("", "."))
