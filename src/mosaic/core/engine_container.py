"""What the container of a Device's own engine is given, and what the engine in it is told.

A Device in isolated mode has a Docker engine of its own, which runs in a
container of the machine's engine: apps never touch the machine's. Here are
the values and the words that are made of them; who runs them is the
supervisor's to say (docs/decisions/0056).

The container is never privileged. Beside what every container has, it is
given two capabilities, and the folders that apps may find things in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Argv = tuple[str, ...]

CAPABILITIES = (
    # What the engine gives every container, and must have to hand on to the apps'.
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    # Bridges, addresses and packet rules: those of the container's own network namespace.
    "NET_ADMIN",
    # Mounts and namespaces for the apps' containers.
    "SYS_ADMIN",
)  # fmt: skip

SECURITY = ("seccomp=unconfined", "apparmor=unconfined", "label=disable")
"""The engine's usual filter forbids `keyctl`, without which no container starts in it; the apps' have that filter.

SELinux keeps containers from folders that were not labelled for them.
"""

SYSCTLS = (("net.ipv4.ip_forward", "1"),)

NETWORK = "bridge"

STOP_SECONDS = 30
"""How long the engine's containers get to end when it is stopped."""

CONTAINER_STOP_SECONDS = STOP_SECONDS + 10

_RUN = "/run/mosaic-engine"


@dataclass(frozen=True, slots=True)
class EngineContainer:
    """Folders are absolute, and the same inside and outside: what the Device says to its engine must be true there.

    `folder` holds everything of the engine. `shared` are those that apps
    mount from: the volumes' pool, and the Device's packages. `name` is the
    container's; two Devices on a machine have two.
    """

    name: str
    image: str
    folder: str
    shared: tuple[str, ...]

    @property
    def mounts(self) -> tuple[tuple[str, str], ...]:
        """The (outside, inside) pairs of folders. The engine looks for volume drivers in a folder of this Device's."""
        same = tuple((folder, folder) for folder in (self.folder, *self.shared))
        return (*same, (plugin_folder(self.folder), "/run/docker/plugins"))


def container_name(driver: str) -> str:
    """Return what the container is called. A driver's name is one Device's alone on its machine."""
    return f"{driver}-engine"


def socket_path(folder: str) -> str:
    """Return where the engine answers."""
    return f"{folder}/engine.sock"


def ports_path(folder: str) -> str:
    """Return where the engine's container takes ports of the machine (`core.lent_port`)."""
    return f"{folder}/ports.sock"


def plugin_folder(folder: str) -> str:
    """Return where this engine alone finds its volume driver's socket."""
    return f"{folder}/plugins"


def run(container: EngineContainer, *, engine: str) -> Argv:
    """Return the words that run the container until it is told to end, by the machine's engine at an address."""
    given = [word for name in CAPABILITIES for word in ("--cap-add", name)]
    given += [word for one in SECURITY for word in ("--security-opt", one)]
    given += [word for name, value in SYSCTLS for word in ("--sysctl", f"{name}={value}")]
    given += [word for outside, inside in container.mounts for word in ("--mount", _mount(outside, inside))]
    return (
        "docker", "--host", engine, "run", "--rm", "--pull", "never", "--name", container.name,
        "--network", NETWORK, "--stop-timeout", str(CONTAINER_STOP_SECONDS), "--cap-drop", "ALL", *given,
        container.image, "--folder", container.folder,
    )  # fmt: skip


def remove(container: EngineContainer, *, engine: str) -> Argv:
    """Return the words that take away what a container of that name left. None there is fine."""
    return ("docker", "--host", engine, "rm", "--force", container.name)


def daemon(folder: str) -> Argv:
    """Return the words that start the engine inside. Its storage driver is what works where its folder lies."""
    return (
        "dockerd", "--host", f"unix://{socket_path(folder)}", "--data-root", f"{folder}/data",
        "--exec-root", _RUN, "--pidfile", f"{_RUN}.pid", "--shutdown-timeout", str(STOP_SECONDS - 5),
    )  # fmt: skip


def remounts(mounts: str) -> list[Argv]:
    """Return the words that make the container's control groups its own to divide, by its table of mounts.

    Only this view of them changes, and they lie below the container's own:
    what limits the container limits all apps in it.
    """
    rows = [line.split(" ") for line in mounts.splitlines()]
    found = [row[1] for row in rows if len(row) > 3 and row[2] in ("cgroup", "cgroup2") and "ro" in row[3].split(",")]
    return [("mount", "-o", "remount,bind,rw,nosuid,nodev,noexec", place) for place in found]


def enabled_controllers(available: str) -> str:
    """Return what is written to hand all controllers on to control groups below (cgroup v2)."""
    return " ".join(f"+{name}" for name in available.split())


def _mount(outside: str, inside: str) -> str:
    return _csv(["type=bind", f"source={outside}", f"target={inside}"])


def _csv(fields: Sequence[str]) -> str:
    """Return fields as the client reads them: a comma in a folder's name is no end of it."""
    quoted = ['"' + field.replace('"', '""') + '"' if set(field) & set(',"') else field for field in fields]
    return ",".join(quoted)
