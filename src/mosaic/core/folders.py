"""Naming the folders of an installation's volumes, and the Docker volumes that show them.

A folder's name must never change between versions of an app, and two sources
must never share one: each name is a function of its source alone. Names that
Mosaic makes up begin with `x-`, and so does an app's own name that would
collide with them.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from mosaic.core.ids import InstallationId

APP = "app"
LINK = "link"
GUARD = "guard"


@dataclass(frozen=True, slots=True, order=True)
class Folder:
    """One Docker volume of an installation: a folder of its data volume or of its link's volume."""

    docker_volume: str
    folder: str
    kind: Literal["data", "link"]


def docker_volume(driver: str, installation: InstallationId, folder: str) -> str:
    """Return the name by which the engine knows a folder."""
    return f"{driver}_{installation}_{folder}"


def named(volume: str) -> str:
    """Return the folder of a volume that the compose file declares."""
    reserved = volume in (APP, LINK, GUARD) or volume.startswith("x-")
    return f"x-{volume}" if reserved else volume


def anonymous(service: str, target: str) -> str:
    """Return the folder of a path of a service that should last and has no name of its own."""
    return f"x-path-{_slug(service)}{_slug(target)}-{_mark(service, target)}"


def package_data(path: str) -> str:
    """Return the folder that stands for a path beside the compose file which the package does not have."""
    return f"x-beside{_slug('/' + path)}-{_mark('', path)}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)[:40].rstrip("-")


def _mark(service: str, path: str) -> str:
    return sha256(f"{service}\0{path}".encode()).hexdigest()[:8]
