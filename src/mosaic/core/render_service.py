"""Rewriting one service, its mounts and ports excepted."""

from collections.abc import Mapping, Set
from posixpath import join, normpath

from mosaic.core.compose_document import ComposeInvalid, Json, as_list, as_mapping, as_pairs, as_text, is_true
from mosaic.core.compose_keys import REPLACED
from mosaic.core.ids import ImageId, ServiceName

RESTART_LABEL = "mosaic.restart"
"""`yes` on a service that is to be started again even after it ended with 0; the Device does what Docker may not.

A service is meant to run unless the compose file says that it ends: `restart: "no"` or `on-failure` in so many
words, or another service that waits for it with `service_completed_successfully`. Compose's own default is not
asked: under it a database that was told to stop has ended well, and would stay down.
"""

_INSTEAD = {"env_file": "environment", "label_file": "labels"}
"""The keys that read files of a service's own, and where their values can be written instead."""

_DEPLOY_KEPT = ("replicas", "resources")


def render_service(
    name: ServiceName,
    service: Mapping[str, Json],
    *,
    image: ImageId,
    labels: Mapping[str, str],
    bundle: str,
    package: Set[str],
    awaited: Set[ServiceName],
) -> dict[str, Json]:
    """Return the service as it runs, without `volumes` and `ports`.

    `awaited` are the services that another one waits for to end well.

    Raises:
        ComposeInvalid: an `env_file` or `label_file` that the package does not have.
    """
    rendered = {key: value for key, value in service.items() if key not in REPLACED and not key.startswith("x-")}
    rendered.pop("volumes", None)
    rendered["image"] = image
    rendered["pull_policy"] = "never"
    rendered["restart"] = "no"
    own = as_pairs(service.get("labels"), f"labels of service {name}")
    kept: dict[str, Json] = {key: value for key, value in own.items() if not key.startswith("mosaic.")}
    rendered["labels"] = {
        **kept,
        **labels,
        RESTART_LABEL: "yes" if name not in awaited and _restarts(name, service) else "no",
    }
    if "deploy" in service:
        deploy = as_mapping(service["deploy"], f"deploy of service {name}")
        rendered["deploy"] = {key: value for key, value in deploy.items() if key in _DEPLOY_KEPT}
    for key in _INSTEAD:
        if service.get(key) is not None:
            rendered[key] = _files(name, key, service[key], bundle, package)
    if service.get("container_name") and "network_mode" not in service:
        rendered["networks"] = _with_alias(name, service)
    return rendered


def _restarts(name: ServiceName, service: Mapping[str, Json]) -> bool:
    if "restart" in service:
        said = service["restart"]
        return said is not False and str(said) != "no" and not str(said).startswith("on-failure")
    deploy = as_mapping(service.get("deploy"), f"deploy of service {name}")
    policy = as_mapping(deploy.get("restart_policy"), f"restart_policy of service {name}")
    return policy.get("condition", "any") == "any"


def awaited_services(services: Mapping[ServiceName, Mapping[str, Json]]) -> Set[ServiceName]:
    """Return the services that some other service waits for with `service_completed_successfully`."""
    found: set[ServiceName] = set()
    for name, service in services.items():
        waits = service.get("depends_on")
        if isinstance(waits, dict):
            for other, how in waits.items():
                condition = as_mapping(how, f"depends_on of service {name}").get("condition")
                if condition == "service_completed_successfully":
                    found.add(ServiceName(other))
    return found


def _with_alias(name: ServiceName, service: Mapping[str, Json]) -> Json:
    """Keep a container's own name reachable: others of the app may connect to it by that name."""
    alias = as_text(service["container_name"], f"container_name of service {name}")
    networks = service.get("networks")
    if isinstance(networks, dict):
        named = networks
    else:
        listed = as_list(networks, f"networks of service {name}")
        named = {as_text(entry, f"networks of service {name}"): None for entry in listed}
    return {network: _aliased(entry, alias, name) for network, entry in (named or {"default": None}).items()}


def _aliased(entry: Json, alias: str, name: ServiceName) -> Json:
    options = as_mapping(entry, f"networks of service {name}")
    aliases = as_list(options.get("aliases"), f"aliases of service {name}")
    return {**options, "aliases": [*aliases, alias]}


def _files(name: ServiceName, key: str, value: Json, bundle: str, package: Set[str]) -> Json:
    """Resolve them in the package; compose would look for a relative one beside the rendered file."""
    entries = value if isinstance(value, list) else [value]
    found: list[Json] = []
    for entry in entries:
        options = entry if isinstance(entry, dict) else {"path": entry}
        path = normpath(as_text(options.get("path"), f"{key} of service {name}"))
        if path in package:
            found.append({**options, "path": join(bundle, path)} if len(options) > 1 else join(bundle, path))
        elif is_true(options.get("required", True)):
            raise ComposeInvalid(
                f"service {name} reads {path}, and the package has no such file",
                hint=f"put the file beside the compose file, or write its values under `{_INSTEAD[key]}:`",
            )
    return found
