"""What an app may not mount: paths of the host, and above all the engine's socket.

A relative path lies in the package and is fine; everything else is the
host's. A path that holds the engine's socket, or leads to it, has a grant of
its own, because it gives the app the whole machine.
"""

from collections.abc import Iterable, Mapping
from posixpath import normpath

from mosaic.core.compose_document import Json, as_list, as_text, as_words, is_true
from mosaic.core.compose_mounts import BindMount, OtherMount, read_mounts
from mosaic.core.ids import ServiceName
from mosaic.core.policy_finding import Finding

_SOCKETS = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
    "/run/docker/plugins",
    "/var/lib/docker",
    "/var/lib/containerd",
)
# Every process's view of the root is under /proc, so a socket can be reached through it by any name.
_DOORS = ("/proc", "/sys")


def check_mounts(service: str, entry: Mapping[str, Json]) -> Iterable[Finding]:
    """Return what a service may not mount, read or include."""
    for mount in read_mounts(ServiceName(service), entry.get("volumes")):
        match mount:
            case BindMount(source=source):
                yield from _check_path(service, "volumes", source)
            case OtherMount(kind=kind):
                yield Finding(service, "volumes", f"mounts a {kind}, which Mosaic can neither check nor replicate")
            case _:
                pass
    if is_true(entry.get("use_api_socket")):
        yield Finding(service, "use_api_socket", "hands over the engine's socket", "docker-socket:/run/docker.sock")
    for key in ("env_file", "label_file"):
        for path in _paths(entry.get(key), f"{key} of service {service}"):
            yield from check_file(service, key, path)
    yield from _check_extends(service, entry.get("extends"))


def check_file(service: str | None, key: str, value: Json) -> Iterable[Finding]:
    """Return why a file that compose would read may not be read; it must lie in the package."""
    path = as_text(value, key)
    if is_outside(path):
        yield Finding(service, key, f"reads {path}, which is outside the package")


def is_outside(path: str) -> bool:
    """Whether a path leaves the package: absolute, a home folder, or above the package's root."""
    return path.startswith(("/", "~")) or normpath(path).split("/")[0] == ".."


def _check_path(service: str, key: str, path: str) -> Iterable[Finding]:
    if not is_outside(path):
        return
    if _reaches_engine(path):
        reason = f"mounts {path}, through which the engine and so the whole machine can be reached"
        yield Finding(service, key, reason, f"docker-socket:{path}")
    elif path.startswith("/"):
        reason = f"mounts {path} of the host, which neither moves with the app nor is replicated"
        yield Finding(service, key, reason, f"path:{path}")
    else:
        yield Finding(service, key, f"mounts {path}, which is outside the package")


def _reaches_engine(path: str) -> bool:
    below = path.rstrip("/") + "/"
    if path.rsplit("/", 1)[-1] in ("docker.sock", "containerd.sock", "podman.sock"):
        return True
    if any(below.startswith(door + "/") for door in _DOORS):
        return True
    return any((socket + "/").startswith(below) or below.startswith(socket + "/") for socket in _SOCKETS)


def _paths(value: Json, where: str) -> list[Json]:
    entries = value if isinstance(value, list) else [] if value is None else [value]
    return [entry.get("path") if isinstance(entry, dict) else as_text(entry, where) for entry in entries]


def _check_extends(service: str, value: Json) -> Iterable[Finding]:
    if value is not None:
        yield Finding(service, "extends", "takes keys from elsewhere, unseen by this check; write them out")


def check_volumes_from(service: str, value: Json) -> Iterable[Finding]:
    """Return which containers a service may not take volumes from: those of other apps."""
    for word in as_words(as_list(value, f"volumes_from of service {service}"), f"volumes_from of service {service}"):
        if word.startswith("container:"):
            yield Finding(service, "volumes_from", f"takes the volumes of {word}, which is not of this app")
