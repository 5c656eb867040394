"""An app's compose file, read, filled in and allowed: what may be rendered.

`open_app` is the only way from a parsed file to something that runs: nothing
is rendered that was not checked with its variables filled in.
"""

from collections.abc import Mapping, Set

from mosaic.core.compose_document import Compose, read_compose, to_json
from mosaic.core.compose_variables import interpolate
from mosaic.core.folders import APP, LINK, docker_volume
from mosaic.core.ids import InstallationId, ServiceName
from mosaic.core.policy import require_allowed

SEED_VARIABLES = ("LINK_DOMAIN_DEFAULT", "LINK_TOKEN_DEFAULT", "APP_VOLUME_NAME", "LINK_VOLUME_NAME")


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

    Services behind a profile are left out: nothing turns profiles on here.

    Raises:
        ComposeInvalid: its shape is wrong.
        VariablesUnknown, VariableRequired: a variable has no value.
        PolicyRefused: it asks for what an app may not have and was not granted.
    """
    document = to_json(parsed)
    # Shape first: a broken file deserves a better sentence than one about a variable in it.
    read_compose(document)
    compose = _without_profiles(read_compose(interpolate(document, variables)))
    require_allowed(compose, grants=grants)
    return compose


def image_names(compose: Compose) -> dict[ServiceName, str]:
    """Return each service's image as the file names it: what a Device resolves to image ids."""
    return {name: str(service["image"]) for name, service in compose.services.items()}


def _without_profiles(compose: Compose) -> Compose:
    kept = {name: service for name, service in compose.services.items() if not service.get("profiles")}
    return Compose(kept, compose.volumes, compose.networks, compose.secrets, compose.configs, compose.rest)
