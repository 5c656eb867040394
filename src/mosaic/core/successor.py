"""What the container of a Device's next version is given: what the one before was, without what it had used up.

Everything is taken as the engine tells it of the container before, also what
this program knows nothing of, so that what its owner chose stays. Left out is
what came from the image before, for the next image has its own, and the
secrets of the first start.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from mosaic.core.device_container import SECRETS

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

_OF_IMAGE = ("Cmd", "Entrypoint", "WorkingDir", "User", "StopSignal", "Shell", "Volumes", "ExposedPorts", "Healthcheck")
_OF_MACHINE = ("Hostname", "Domainname", "MacAddress", "Image", "OnBuild", "ArgsEscaped")


def successor(
    container: Mapping[str, Json], before: Mapping[str, Json], image: str, *, restart: str
) -> dict[str, Json]:
    """Return the body of the engine's request that creates the next container.

    `container` is the engine's description of the Device's container, `before` that of its image, `image` the next
    image's id, and `restart` the name of the restart policy, which the container before may have lost meanwhile.
    """
    config, theirs = _mapping(container.get("Config")), _mapping(before.get("Config"))
    made: dict[str, Json] = {}
    for name, value in config.items():
        if name in _OF_MACHINE or (name in _OF_IMAGE and value == theirs.get(name)):
            continue
        made[name] = value
    made["Env"] = _environment(config.get("Env"), theirs.get("Env"))
    made["Labels"] = _labels(config.get("Labels"), theirs.get("Labels"))
    made["Image"] = image
    made["HostConfig"] = {**_mapping(container.get("HostConfig")), "RestartPolicy": {"Name": restart}}
    return made


def _environment(given: Json, of_image: Json) -> list[Json]:
    inherited = set(_texts(of_image))
    return [line for line in _texts(given) if line not in inherited and line.partition("=")[0] not in SECRETS]


def _labels(given: Json, of_image: Json) -> dict[str, Json]:
    inherited = _mapping(of_image)
    return {name: value for name, value in _mapping(given).items() if inherited.get(name) != value}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Json) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
