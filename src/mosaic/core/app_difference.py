"""What another version of an app changes, as far as its compose file says it. Pure.

Values of environment variables are compared and never shown: they may be
passwords. Of the other keys of a service the names of those that differ are said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mosaic.core.app import asks_for
from mosaic.core.compose_document import Compose, Json, as_pairs
from mosaic.core.ids import ServiceName
from mosaic.core.rendering import wanted_ports


@dataclass(frozen=True, slots=True)
class ServiceDifference:
    """How one service differs; an image is None on the side where there is no such service."""

    service: ServiceName
    image_before: str | None
    image_after: str | None
    environment_added: tuple[str, ...] = ()
    environment_removed: tuple[str, ...] = ()
    environment_changed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """What is new and what is gone, each in order."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """`services` has those that differ. Ports are `service port/protocol`.

    `asks_after` are all the grants that the new version needs beyond policy.
    """

    services: tuple[ServiceDifference, ...] = ()
    volumes: Changed = Changed()
    ports: Changed = Changed()
    asks_after: tuple[str, ...] = ()


def difference(before: Compose, after: Compose) -> Difference:
    """Compare two versions of an app, each with its variables filled in."""
    names = sorted({*before.services, *after.services})
    differing = [name for name in names if before.services.get(name) != after.services.get(name)]
    return Difference(
        services=tuple(_service(name, before.services.get(name), after.services.get(name)) for name in differing),
        volumes=_changed(before.volumes, after.volumes),
        ports=_changed(ports_of(before), ports_of(after)),
        asks_after=tuple(asks_for(after)),
    )


def ports_of(compose: Compose) -> list[str]:
    """Return what the app publishes, as people read it."""
    keys = [port.key for port in wanted_ports(compose)]
    return [f"{key.service} {key.container_port}/{key.protocol}" for key in keys]


def _service(
    name: ServiceName, before: Mapping[str, Json] | None, after: Mapping[str, Json] | None
) -> ServiceDifference:
    had, has = _environment(before), _environment(after)
    names = _changed(had, has)
    return ServiceDifference(
        service=name,
        image_before=_image(before),
        image_after=_image(after),
        environment_added=names.added,
        environment_removed=names.removed,
        environment_changed=tuple(sorted(key for key in had.keys() & has.keys() if had[key] != has[key])),
        settings=_settings(before, after) if before is not None and after is not None else (),
    )


def _settings(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the keys that differ and are not said otherwise."""
    keys = (before.keys() | after.keys()) - {"image", "environment"}
    return tuple(sorted(key for key in keys if before.get(key) != after.get(key)))


def _image(service: Mapping[str, Json] | None) -> str | None:
    return str(service["image"]) if service is not None else None


def _environment(service: Mapping[str, Json] | None) -> dict[str, Json]:
    return as_pairs(service.get("environment"), "environment") if service is not None else {}


def _changed(before: Iterable[str], after: Iterable[str]) -> Changed:
    had, has = set(before), set(after)
    return Changed(tuple(sorted(has - had)), tuple(sorted(had - has)))
