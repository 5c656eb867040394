"""Whether an app may be installed, looked at before anything is written.

The Device checks the same again, with its own words for the variables: what
counts there is what it reads itself and what the owner signed.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from mosaic.adapters import compose_yaml
from mosaic.adapters.sql.installations import Installation
from mosaic.core.app import SEED_VARIABLES, asks_for, fill_in, seed_variables
from mosaic.core.app_difference import ports_of
from mosaic.core.compose_document import Compose
from mosaic.core.compose_variables import VariablesUnknown
from mosaic.core.errors import MosaicError
from mosaic.core.grants import in_order, require_asked
from mosaic.core.ids import InstallationId
from mosaic.core.link_service import require_one_link
from mosaic.core.policy import PolicyRefused, require_allowed
from mosaic.core.rendering import wanted_ports
from mosaic.hive.compose_files import ComposeFile
from mosaic.wire.api import Install

_PLACEHOLDER = "1"
"""Stands for a value that the owner has not given yet: a number, so that it can be a port."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an app would bring. `asks` are the grants that it needs beyond policy."""

    asks: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


def compose_of(file: ComposeFile, *, installation: InstallationId, name: str, config: Mapping[str, str]) -> Compose:
    """Return the compose file with its variables filled in, as a Device would.

    Raises:
        ComposeInvalid, VariablesUnknown, VariableRequired: it cannot be run with this config.
    """
    seeds = seed_variables(
        driver="mosaic", installation=installation, domain=f"{name}.localhost", link_token=_PLACEHOLDER
    )
    parsed = compose_yaml.parse(file)
    return fill_in(parsed, variables={**config, **seeds})


def require_installable(file: ComposeFile, wish: Install, *, installation: InstallationId, name: str) -> None:
    """Return when the app may be installed with this config and these grants, whose signature is the caller's to check.

    Raises:
        PolicyRefused, ComposeInvalid, VariablesUnknown, VariableRequired, GrantUnusable: each with its own sentence.
    """
    compose = compose_of(file, installation=installation, name=name, config=wish.config)
    # Only read: an entry that is no port, or too many of them, is better said now than by the Device later.
    wanted_ports(compose)
    granted = set(in_order(wish.grant.keys)) if wish.grant else set[str]()
    require_asked(granted, set(asks_for(compose)))
    renamed = "" if name == wish.app else f" --name {name}"
    _require_allowed(compose, granted, command=f"mosaic install {wish.app}{renamed}")


def require_new(file: ComposeFile, wish: Install, *, installation: InstallationId, name: str) -> None:
    """Return when the app may be installed and has no two links with one token.

    Some that are installed have, from before that was asked; they run on, at home and on another Device.

    Raises:
        As `require_installable`.
    """
    require_installable(file, wish, installation=installation, name=name)
    compose = compose_of(file, installation=installation, name=name, config=wish.config)
    require_one_link(compose, token=_PLACEHOLDER)


def require_runnable(file: ComposeFile, found: Installation) -> None:
    """Return when an installation may run another version with the config and the grants that it has.

    It may have been granted more than that version asks for.

    Raises:
        PolicyRefused, ComposeInvalid, VariablesUnknown, VariableRequired.
    """
    compose = compose_of(file, installation=found.id, name=found.name, config=found.config)
    require_one_link(compose, token=_PLACEHOLDER)
    wanted_ports(compose)
    granted = set(found.grant.keys) if found.grant else set[str]()
    _require_allowed(compose, granted, command=f"mosaic policy {found.name}")


def _require_allowed(compose: Compose, granted: Set[str], *, command: str) -> None:
    try:
        require_allowed(compose, grants=granted)
    except PolicyRefused as refused:
        raise PolicyRefused(refused.findings, command=command) from None


def plan(parsed: object) -> Plan:
    """Return what an app of the catalog would bring, as far as that can be said without its config."""
    variables = dict.fromkeys(SEED_VARIABLES, _PLACEHOLDER)
    try:
        compose = _guessed(parsed, variables)
        ports = ports_of(compose)
        asks = asks_for(compose)
    except MosaicError:
        # Its config decides; the check at its install says what is wrong.
        return Plan()
    return Plan(asks, ports, sorted(compose.volumes))


def _guessed(parsed: object, variables: dict[str, str]) -> Compose:
    try:
        return fill_in(parsed, variables=variables)
    except VariablesUnknown as unknown:
        return fill_in(parsed, variables={**variables, **dict.fromkeys(unknown.names, _PLACEHOLDER)})
