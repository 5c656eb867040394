"""An app's package on this machine: where it lies, and what is in it."""

import os
import re
from pathlib import Path

from mosaic.adapters import compose_yaml
from mosaic.adapters.bundle import COMPOSE_FILE, stays_inside
from mosaic.core.app import open_app, seed_variables
from mosaic.core.compose_document import Compose
from mosaic.core.errors import Refused
from mosaic.core.ids import InstallationId
from mosaic.core.link_service import NO_TOKEN
from mosaic.core.policy import PolicyRefused
from mosaic.crypto.grants import is_signed
from mosaic.device.config import DeviceConfig
from mosaic.device.means import Means, Owner
from mosaic.device.public_way import public_way
from mosaic.wire.assignment import Assignment

_APP = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UPDATE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INSTALLATION = re.compile(r"[a-z0-9]{1,32}")
_LINK = re.compile(r"[a-z2-7]{12}")
_TOKEN_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_EPOCH = re.compile(r"[0-9]{1,18}\.[0-9]{1,18}")
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,32}")
_GATEWAY = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,260}(/[A-Za-z0-9._~/-]{0,200})?")


class AssignmentRefused(Refused):
    """The Hive asked for something that cannot be a path or a name here."""

    code = "assignment-refused"

    def __init__(self, what: str, value: str) -> None:
        super().__init__(
            f"the Hive named {value[:80]!r} as {what}, which this Device refuses",
            hint="nothing was changed; is the Hive of the same version?",
        )


class ComposeUnreadable(Refused):
    """The package has no compose file."""

    code = "compose-unreadable"

    def __init__(self) -> None:
        super().__init__(
            f"the app's package has no {COMPOSE_FILE}",
            hint="put it in the app's folder and publish the app again",
        )


def check_words(item: Assignment) -> None:
    """Refuse an assignment whose words would become paths, names or host names that they must not (G8)."""
    checks = [
        ("an installation", item.installation, _INSTALLATION),
        ("a name", item.name, _NAME),
        ("an app", item.app, _APP),
        ("a bundle", item.app_digest, _DIGEST),
    ]
    if item.update is not None:
        checks += [("an update", item.update.id, _UPDATE), ("a bundle", item.update.app_digest, _DIGEST)]
    if item.link is not None:
        checks += [("a link", item.link.id, _LINK), ("a link's gateway", item.link.gateway, _GATEWAY)]
        checks += [("a token's number", str(item.link.token), _TOKEN_NUMBER)]
        checks += [("a link's epoch", item.link.epoch or "0.0", _EPOCH)]
        checks += [("a link's name", name, _DOMAIN) for name in item.link.names]
    for what, value, pattern in checks:
        if not pattern.fullmatch(value):
            raise AssignmentRefused(what, value)


def folder_of(config: DeviceConfig, item: Assignment) -> Path:
    """Return where the assignment's bundle is extracted."""
    return config.apps / item.app / item.app_digest.removeprefix("sha256:")


def paths_in(folder: Path) -> frozenset[str]:
    """Return every file and folder of the package, relative to it.

    What is a path here is handed to the engine, which follows links: one that
    leads out of the package is none of its paths, whoever put it there.
    """
    found: set[str] = set()
    for where, folders, files in os.walk(folder):
        paths = [Path(where) / name for name in (*folders, *files)]
        kept = (path for path in paths if not path.is_symlink() or stays_inside(path, folder))
        found |= {path.relative_to(folder).as_posix() for path in kept}
    return frozenset(found)


def read_app(means: Means, item: Assignment) -> Compose:
    """Read the package's compose file, fill in its variables and check what it asks for.

    Only grants that the owner signed for this installation count, whatever the Hive says.

    Raises:
        ComposeUnreadable, ComposeInvalid, VariablesUnknown, VariableRequired, PolicyRefused.
        RootKeyMissing: the app has a link, whose token cannot be derived yet.
    """
    config = means.config
    parsed = _parsed(folder_of(config, item) / COMPOSE_FILE)
    way = public_way(means, item)
    seeds = seed_variables(
        driver=config.driver,
        installation=InstallationId(item.installation),
        domain=way.names[0] if way is not None else f"{item.name}.localhost",
        link_token=way.token if way is not None else NO_TOKEN,
    )
    granted = frozenset(item.grants) if _is_granted(means.owner, item) else frozenset[str]()
    try:
        return open_app(parsed, variables={**item.config, **seeds}, grants=granted)
    except PolicyRefused as refused:
        forged = "; the grants that came with it are not signed by its owner, so they count for nothing"
        note = forged if item.grants and not granted else ""
        raise PolicyRefused(refused.findings, command=f"mosaic policy {item.name}", note=note) from None


def _is_granted(owner: Owner, item: Assignment) -> bool:
    return is_signed(item.grants, item.grant_proof, owner_key=owner.key, account=owner.account, name=item.name)


def _parsed(file: Path) -> object:
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        raise ComposeUnreadable from None
    return compose_yaml.parse(text)
