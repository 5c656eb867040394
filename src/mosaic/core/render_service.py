"""Rewriting one service, its mounts and ports excepted."""

from collections.abc import Mapping, Set
from posixpath import join, normpath

from mosaic.core.compose_document import ComposeInvalid, Json, as_list, as_mapping, as_pairs, as_text, is_true
from mosaic.core.compose_keys import REPLACED
from mosaic.core.ids import ImageId, ServiceName

RESTART_LABEL = "mosaic.restart"
"""`yes` on a service that is to be started again even after it ended with 0; the Device does what Docker may not."""

_DEPLOY_KEPT = ("replicas", "resources")


def render_service(
    name: ServiceName,
    service: Mapping[str, Json],
    *,
    image: ImageId,
    labels: Mapping[str, str],
    bundle: str,
    package: Set[str],
) -> dict[str, Json]:
    """Return the service as it runs, without `volumes` and `ports`.

    Raises:
        ComposeInvalid: an `env_file` that the package does not have.
    """
    rendered = {key: value for key, value in service.items() if key not in REPLACED and not key.startswith("x-")}
    rendered.pop("volumes", None)
    rendered["image"] = image
    rendered["pull_policy"] = "never"
    rendered["restart"] = "no"
    own = as_pairs(service.get("labels"), f"labels of service {name}")
    kept: dict[str, Json] = {key: value for key, value in own.items() if not key.startswith("mosaic.")}
    rendered["labels"] = {**kept, **labels, RESTART_LABEL: "yes" if _restarts(name, service) else "no"}
    if "deploy" in service:
        deploy = as_mapping(service["deploy"], f"deploy of service {name}")
        rendered["deploy"] = {key: value for key, value in deploy.items() if key in _DEPLOY_KEPT}
    if "env_file" in service:
        rendered["env_file"] = _env_files(name, service["env_file"], bundle, package)
    if service.get("container_name") and "network_mode" not in service:
        rendered["networks"] = _with_alias(name, service)
    return rendered


def _restarts(name: ServiceName, service: Mapping[str, Json]) -> bool:
    if str(service.get("restart")) in ("always", "unless-stopped"):
        return True
    deploy = as_mapping(service.get("deploy"), f"deploy of service {name}")
    policy = as_mapping(deploy.get("restart_policy"), f"restart_policy of service {name}")
    return bool(policy) and policy.get("condition", "any") == "any"


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


def _env_files(name: ServiceName, value: Json, bundle: str, package: Set[str]) -> Json:
    entries = value if isinstance(value, list) else [value]
    found: list[Json] = []
    for entry in entries:
        options = entry if isinstance(entry, dict) else {"path": entry}
        path = normpath(as_text(options.get("path"), f"env_file of service {name}"))
        if path in package:
            found.append({**options, "path": join(bundle, path)} if len(options) > 1 else join(bundle, path))
        elif is_true(options.get("required", True)):
            raise ComposeInvalid(
                f"service {name} reads {path}, and the package has no such file",
                hint="put the file beside the compose file, or give the values as `environment:`",
            )
    return found
