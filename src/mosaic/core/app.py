"""An app's compose file, read, filled in and allowed: what may be rendered.

`open_app` is the only way from a parsed file to something that runs: nothing
is rendered that was not checked with its variables filled in.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import replace

from mosaic.core.app_actions import app_actions, require_no_variables
from mosaic.core.compose_document import (
    Compose,
    ComposeInvalid,
    Json,
    as_pairs,
    read_compose,
    require_declared,
    to_json,
)
from mosaic.core.compose_variables import interpolate
from mosaic.core.folders import APP, LINK, docker_volume
from mosaic.core.ids import InstallationId, ServiceName
from mosaic.core.policy import check, require_allowed
from mosaic.core.snapshot_hooks import snapshot_hooks

SEED_VARIABLES = ("LINK_DOMAIN_DEFAULT", "LINK_TOKEN_DEFAULT", "APP_VOLUME_NAME", "LINK_VOLUME_NAME")

_ZERO = re.compile(r"\s*[-+]?0+(\.0*)?\s*")


def seed_variables(*, driver: str, installation: InstallationId, domain: str, link_token: str) -> dict[str, str]:
    """Return the four variables that Mosaic fills in for every app."""
    return {
        "LINK_DOMAIN_DEFAULT": domain,
        "LINK_TOKEN_DEFAULT": link_token,
        "APP_VOLUME_NAME": docker_volume(driver, installation, APP),
        "LINK_VOLUME_NAME": docker_volume(driver, installation, LINK),
    }


def open_app(parsed: object, *, variables: Mapping[str, str], grants: Set[str] = frozenset()) -> Compose:
    """Read a parsed compose file, fill in its variables and check it.

    Services behind a profile are left out: nothing turns profiles on here. So
    are those that are to have no container (`scale: 0`): nobody may wait for one.

    Raises:
        ComposeInvalid: its shape is wrong.
        VariablesUnknown, VariableRequired: a variable has no value.
        PolicyRefused: it asks for what an app may not have and was not granted.
    """
    compose = fill_in(parsed, variables=variables)
    require_allowed(compose, grants=grants)
    return compose


def fill_in(parsed: object, *, variables: Mapping[str, str]) -> Compose:
    """Do what `open_app` does, but for the check: what comes back may be looked at, and not be rendered.

    Raises:
        ComposeInvalid, VariablesUnknown, VariableRequired: as there.
    """
    document = to_json(parsed)
    # Shape first: a broken file deserves a better sentence than one about a variable in it.
    read_compose(document)
    require_no_variables(document)
    compose = read_compose(interpolate(document, variables))
    require_declared(compose)
    active = replace(compose, services=_active(compose.services, variables))
    snapshot_hooks(active)
    app_actions(active)
    return active


def asks_for(compose: Compose) -> list[str]:
    """Return the grants that the app would need beyond policy, in order."""
    return sorted({finding.grant for finding in check(compose) if finding.grant})


def image_names(compose: Compose) -> dict[ServiceName, str]:
    """Return each service's image as the file names it: what a Device resolves to image ids."""
    return {name: str(service["image"]) for name, service in compose.services.items()}


def _active(
    services: Mapping[ServiceName, dict[str, Json]], variables: Mapping[str, str]
) -> dict[ServiceName, dict[str, Json]]:
    kept = {
        name: service for name, service in services.items() if not service.get("profiles") and not _is_none(service)
    }
    if not kept:
        raise ComposeInvalid(
            "every service is behind a profile or has `scale: 0`",
            hint="remove `profiles:` and `scale:` from the services that should run",
        )
    return {name: _settled(service, kept, variables) for name, service in kept.items()}


def _is_none(service: Mapping[str, Json]) -> bool:
    """Whether the service is to have no container; compose takes the number from either of two keys."""
    deploy = service.get("deploy")
    counts = (service.get("scale"), deploy.get("replicas") if isinstance(deploy, dict) else None)
    # Variables that were filled in are text.
    return any(_ZERO.fullmatch(str(count)) for count in counts)


def _settled(
    service: Mapping[str, Json], kept: Mapping[ServiceName, object], variables: Mapping[str, str]
) -> dict[str, Json]:
    """Leave out references to services that are left out, and give values to environment entries without one."""
    settled = dict(service)
    for key in ("depends_on", "links"):
        value = settled.get(key)
        if isinstance(value, dict):
            settled[key] = {name: entry for name, entry in value.items() if name in kept}
        elif isinstance(value, list):
            settled[key] = [name for name in value if str(name).partition(":")[0] in kept]
    if "environment" in settled:
        pairs = as_pairs(settled["environment"], "environment")
        filled: dict[str, Json] = {key: variables.get(key) if value is None else value for key, value in pairs.items()}
        settled["environment"] = {key: value for key, value in filled.items() if value is not None}
    return settled
