"""What the engine of this machine knows of images: the digests that it pulled or pushed them by."""

from collections.abc import Iterable

import msgspec

from mosaic.adapters.docker.api import Api, EngineSilent, quoted
from mosaic.core.errors import MosaicError
from mosaic.core.image_platforms import PlatformImage, Resolved
from mosaic.core.image_ref import ImageRef, ImageRefUnreadable, parse
from mosaic.core.oci_types import OCI_INDEX


class _Local(msgspec.Struct, rename="pascal"):
    repo_digests: list[str] = []
    os: str = "linux"
    architecture: str = ""
    variant: str = ""


def local_digests(engine: str, references: Iterable[ImageRef]) -> dict[ImageRef, Resolved]:
    """Return those images whose digest the engine knows; nothing when no engine answers.

    An engine does not say whether the digest is an index's, nor for which other
    platforms there is an image: its own is the one that is told.
    """
    found = {}
    try:
        api = Api(engine)
        for reference in references:
            content = api.find(f"/images/{quoted(reference.familiar())}/json")
            resolved = _resolved(reference, content) if content else None
            if resolved is not None:
                found[reference] = resolved
    except EngineSilent:
        return found
    return found


def _resolved(reference: ImageRef, content: bytes) -> Resolved | None:
    try:
        local = msgspec.json.decode(content, type=_Local)
    except msgspec.MsgspecError:
        return None
    for name in local.repo_digests:
        try:
            pulled = parse(name)
        except (ImageRefUnreadable, MosaicError):
            continue
        if pulled.name == reference.name and pulled.digest is not None:
            here = PlatformImage(local.os, local.architecture, local.variant, pulled.digest, ())
            return Resolved(pulled.digest, OCI_INDEX, (here,))
    return None
