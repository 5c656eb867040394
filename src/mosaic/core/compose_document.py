"""The shape of a compose file: from a parsed mapping to sections that the rest can believe in.

Only the shape is checked here: sections are mappings of mappings, every
service has an image, every name that is referred to is declared. What an app
may ask for is `policy`'s to say; single keys are read by `compose_mounts` and
`compose_ports`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.errors import Refused
from mosaic.core.ids import ServiceName

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Section: TypeAlias = dict[str, dict[str, Json]]

MAX_VALUES = 50_000
MAX_DEPTH = 40


class ComposeInvalid(Refused):
    """The compose file is not one: its shape is wrong at one place."""

    code = "compose-invalid"

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what, hint=hint)


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose file. `rest` has the top-level keys that are not sections (`name`, `x-…` and unknown ones)."""

    services: dict[ServiceName, dict[str, Json]]
    volumes: Section
    networks: Section
    secrets: Section
    configs: Section
    rest: dict[str, Json]


def to_json(value: object) -> Json:
    """Turn what the YAML reader returns into plain values.

    Aliases are written out, so a file that would grow without end is refused.

    Raises:
        ComposeInvalid: a value or a key of another type, or too many of them.
    """
    return _Reader().read(value, "the compose file", 0)


class _Reader:
    """One reading of a document; counts, because aliases can make a small file endless."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def read(self, value: object, where: str, depth: int) -> Json:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise ComposeInvalid(
                "the compose file is too large when its aliases are written out",
                hint=f"keep it under {MAX_VALUES} values and {MAX_DEPTH} levels",
            )
        if value is None or isinstance(value, str | bool | int | float):
            return value
        if isinstance(value, list | tuple):
            return [self.read(item, where, depth + 1) for item in value]
        if isinstance(value, Mapping):
            return {_key(key, where): self.read(item, f"{key}", depth + 1) for key, item in value.items()}
        raise ComposeInvalid(
            f"{where} has a value of type {type(value).__name__}", hint="write it as text, in quotation marks"
        )


def _key(key: object, where: str) -> str:
    if isinstance(key, bool) or not isinstance(key, str | int | float):
        raise ComposeInvalid(f"{where} has the key {key!r}, which is not text", hint="put the key in quotation marks")
    return str(key)


def read_compose(document: Json) -> Compose:
    """Split a compose file into its sections.

    Raises:
        ComposeInvalid: it is not a mapping, has no services, or a section or service is not a mapping.
    """
    if not isinstance(document, dict):
        raise ComposeInvalid(
            f"the compose file is {_shape(document)}, not a mapping", hint="it should begin with `services:`"
        )
    services = as_section(document.get("services"), "services")
    if not services:
        raise ComposeInvalid(
            "the compose file has no services", hint="name at least one service with an image under `services:`"
        )
    compose = Compose(
        services={ServiceName(name): service for name, service in services.items()},
        volumes=as_section(document.get("volumes"), "volumes"),
        networks=as_section(document.get("networks"), "networks"),
        secrets=as_section(document.get("secrets"), "secrets"),
        configs=as_section(document.get("configs"), "configs"),
        rest={key: value for key, value in document.items() if key not in _SECTIONS},
    )
    for name, service in compose.services.items():
        _require_image(name, service)
    return compose


_SECTIONS = ("services", "volumes", "networks", "secrets", "configs")


def _require_image(name: ServiceName, service: Mapping[str, Json]) -> None:
    image = service.get("image")
    if isinstance(image, str) and image.strip():
        return
    if "build" in service:
        raise ComposeInvalid(
            f"service {name} is built from source and names no image",
            hint="give it an `image:`, and build that on the Device: `docker build --tag IMAGE .` in the app's folder",
        )
    raise ComposeInvalid(f"service {name} has no image", hint=f"add `image:` to service {name}")


def require_declared(compose: Compose) -> None:
    """Return when every name that a service refers to is declared.

    Raises:
        ComposeInvalid: one is not.
    """
    for name, service in compose.services.items():
        _require_declared(compose, name, service)


def _require_declared(compose: Compose, name: ServiceName, service: Mapping[str, Json]) -> None:
    declared: Mapping[str, Iterable[str]] = {
        "depends_on": compose.services,
        "networks": [*compose.networks, "default"],
        "secrets": compose.secrets,
        "configs": compose.configs,
    }
    for key, names in declared.items():
        for referred in _references(service.get(key), f"{key} of service {name}"):
            if referred not in names:
                raise ComposeInvalid(
                    f"{key} of service {name} names {referred}, which is declared nowhere",
                    hint=f"declare {referred}, or correct its spelling",
                )


def _references(value: Json, where: str) -> list[str]:
    if isinstance(value, dict):
        return list(value)
    found: list[str] = []
    for item in as_list(value, where):
        found.append(as_text(item.get("source") if isinstance(item, dict) else item, where))
    return found


def as_section(value: Json, where: str) -> Section:
    """Read a mapping of mappings; an empty entry is an empty mapping."""
    return {name: as_mapping(entry, f"{name} in {where}") for name, entry in as_mapping(value, where).items()}


def as_mapping(value: Json, where: str) -> dict[str, Json]:
    """Read a mapping; nothing is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ComposeInvalid(f"{where} is {_shape(value)}, not a mapping", hint="write it as `key: value` lines")
    return value


def as_list(value: Json, where: str) -> list[Json]:
    """Read a list; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ComposeInvalid(f"{where} is {_shape(value)}, not a list", hint="write it as lines that begin with `- `")
    return value


def as_text(value: Json, where: str) -> str:
    """Read text or a number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ComposeInvalid(f"{where} is {_shape(value)}, not text", hint="put it in quotation marks")
    return str(value)


def as_pairs(value: Json, where: str) -> dict[str, Json]:
    """Read `labels` or `environment`: a mapping, or a list of `KEY=value`. A key without a value has None."""
    if not isinstance(value, list):
        return as_mapping(value, where)
    pairs: dict[str, Json] = {}
    for item in value:
        key, equals, text = as_text(item, where).partition("=")
        pairs[key] = text if equals else None
    return pairs


def as_words(value: Json, where: str) -> list[str]:
    """Read one text or a list of texts."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [as_text(item, where) for item in items]


def is_true(value: Json) -> bool:
    """Whether a flag asks for something: any spelling but false, so that a new spelling cannot slip by."""
    return value is not None and str(value).strip().lower() not in ("", "false", "no", "off", "n", "0")


def _shape(value: Json) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a flag"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"
