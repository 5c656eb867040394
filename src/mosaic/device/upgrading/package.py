"""What is in the package that a Device is upgraded from.

docker-compose.yml   one service, `device`, whose image is pinned by its digest
version              one line: the version of Mosaic
host/                the wheel and `requirements.lock`, for a Device that is not in a container
"""

import re
from pathlib import Path

from mosaic.adapters import compose_yaml
from mosaic.adapters.bundle import COMPOSE_FILE
from mosaic.core.errors import Refused
from mosaic.core.version_order import is_later

PACKAGE = "mosaic-device"
SERVICE = "device"
VERSION_FILE = "version"

_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,39}", re.ASCII)
_PINNED = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]{0,400}@sha256:[0-9a-f]{64}", re.ASCII)


class UpgradeUnusable(Refused):
    """The package is signed, and a Device cannot be upgraded from it."""

    code = "upgrade-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this package of {PACKAGE} cannot be used: {reason}",
            hint="tell who publishes it; this Device runs on as it is",
        )


class VersionNotNewer(Refused):
    """The package has the version that runs, or an older one: nobody leads a Device back."""

    code = "upgrade-not-newer"

    def __init__(self, offered: str, running: str) -> None:
        super().__init__(
            f"it is Mosaic {offered}, and this Device runs {running}",
            hint="nothing was changed; a version before comes back by itself only when the newer one fails",
        )


def read_version(folder: Path) -> str:
    """Return the version that the package in `folder` says. Raises UpgradeUnusable."""
    try:
        said = (folder / VERSION_FILE).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise UpgradeUnusable(f"it has no file `{VERSION_FILE}`") from None
    if not _VERSION.fullmatch(said):
        raise UpgradeUnusable(f"its version is {said[:80]!a}")
    return said


def read_image(folder: Path) -> str:
    """Return the image that the package pins, `…@sha256:…`. Raises UpgradeUnusable."""
    try:
        parsed = compose_yaml.parse((folder / COMPOSE_FILE).read_bytes())
    except OSError:
        raise UpgradeUnusable(f"it has no {COMPOSE_FILE}") from None
    services = parsed.get("services") if isinstance(parsed, dict) else None
    service = services.get(SERVICE) if isinstance(services, dict) else None
    image = service.get("image") if isinstance(service, dict) else None
    if not isinstance(image, str) or not _PINNED.fullmatch(image):
        raise UpgradeUnusable(f"its service `{SERVICE}` names no image by its digest")
    return image


def require_newer(offered: str, running: str) -> None:
    """Raise VersionNotNewer unless `offered` is newer."""
    if not is_later(offered, running):
        raise VersionNotNewer(offered, running)
