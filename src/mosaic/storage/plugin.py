"""Routes of the volume driver's socket: what a Docker engine asks, and the sentence it shows."""

from collections.abc import Callable

import msgspec

from mosaic.core.errors import MosaicError
from mosaic.storage import docker_volumes, log
from mosaic.storage.daemon import Daemon
from mosaic.storage.records import DockerVolume
from mosaic.storage.unix_http import Reply
from mosaic.wire.plugin import (
    Activated,
    Answer,
    Capable,
    Create,
    Found,
    Listed,
    Mounted,
    MountOf,
    Named,
    VolumeEntry,
)

Route = Callable[[bytes], msgspec.Struct]


def routes(daemon: Daemon) -> Callable[[str, bytes], Reply]:
    """Return the function that answers the engine's requests."""

    def create(body: bytes) -> Answer:
        asked = msgspec.json.decode(body, type=Create)
        docker_volumes.create(daemon, asked.name, asked.opts or {})
        return Answer()

    def mount(body: bytes) -> Mounted:
        asked = msgspec.json.decode(body, type=MountOf)
        return Mounted(str(docker_volumes.mount(daemon, asked.name, asked.id)))

    def unmount(body: bytes) -> Answer:
        asked = msgspec.json.decode(body, type=MountOf)
        docker_volumes.unmount(daemon, asked.name, asked.id)
        return Answer()

    def remove(body: bytes) -> Answer:
        docker_volumes.remove(daemon, msgspec.json.decode(body, type=Named).name)
        return Answer()

    def find(body: bytes) -> DockerVolume:
        return docker_volumes.find(daemon, msgspec.json.decode(body, type=Named).name)

    def entry(docker: DockerVolume) -> VolumeEntry:
        return VolumeEntry(docker.name, docker_volumes.mountpoint(daemon, docker), _status(daemon, docker))

    table: dict[str, Route] = {
        "/Plugin.Activate": lambda _: Activated(),
        "/VolumeDriver.Capabilities": lambda _: Capable(),
        "/VolumeDriver.Create": create,
        "/VolumeDriver.Mount": mount,
        "/VolumeDriver.Unmount": unmount,
        "/VolumeDriver.Remove": remove,
        "/VolumeDriver.Path": lambda body: Mounted(docker_volumes.mountpoint(daemon, find(body))),
        "/VolumeDriver.Get": lambda body: Found(entry(find(body))),
        "/VolumeDriver.List": lambda _: Listed([entry(docker) for docker in docker_volumes.every(daemon)]),
    }
    return lambda path, body: _answer(table.get(path), path, body)


def _status(daemon: Daemon, docker: DockerVolume) -> dict[str, str]:
    volume = daemon.volumes.get(docker.volume) if docker.volume else None
    if volume is None:
        return {}
    if volume.record.hiveless is not None:
        from mosaic.storage.hiveless.status import shown

        return shown(daemon, volume)
    return {"installation": volume.record.installation, "phase": volume.record.phase}


def _answer(route: Route | None, path: str, body: bytes) -> Reply:
    if route is None:
        return Reply(404, msgspec.json.encode(Answer(f"this volume driver has no verb {path}")))
    try:
        return Reply(200, msgspec.json.encode(route(body)))
    except MosaicError as error:
        # The engine shows `Err` word for word with status 200, and adds the verb's name to any other.
        log.info("engine_refused", verb=path, code=error.code, reason=error.message)
        # Docker has no place for a hint but the sentence.
        hint = "" if error.hint in error.message else f"; {error.hint}"
        return Reply(200, msgspec.json.encode(Answer(error.message + hint)))
    except msgspec.MsgspecError:
        return Reply(200, msgspec.json.encode(Answer("the engine's request is not well-formed")))
    except Exception as error:  # a mistake of ours in one verb: the engine is told, and the daemon goes on
        log.mistake(error, verb=path)
        return Reply(200, msgspec.json.encode(Answer(f"the storage daemon made a mistake: {type(error).__name__}")))
