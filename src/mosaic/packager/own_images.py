"""The images that an app repository builds itself: built where something changed, tagged with the short commit.

An image whose folder is what it was has been built before: it lies in the
registry under a tag that names the folder's content, and only gets one more
tag. So an app that did not change keeps its digest, whichever machine
publishes. What it is built on may have changed meanwhile: `rebuild` asks for
that.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.docker.image_build import build_image, push_image
from mosaic.adapters.git import tree_of
from mosaic.adapters.oci.failures import ImageMissing
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.core import image_ref
from mosaic.core.app_repository import IMAGE_FILE
from mosaic.core.oci_types import Image
from mosaic.core.pinning import OwnImage
from mosaic.packager.resolving import resolved

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Build:
    """How images are built. `registry` is where to, namespace included; `dockerfile` is taken where a folder has it."""

    engine: str
    registry: str
    dockerfile: str = IMAGE_FILE
    network: str | None = None
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of the app repository, as its registry has it."""

    name: str
    own: OwnImage
    image: Image
    is_new: bool


def build_own(folder: Path, commit: str, build: Build, registries: Registries, tell: Tell) -> BuiltImage:
    """Have the registry keep the folder's image under the tag `commit`. May be called again.

    Raises:
        BuildFailed: the engine's own words.
        ImageRefUnreadable: the registry's name cannot be one.
        MosaicError: what the registry says, see `Registry`.
    """
    reference = image_ref.parse(f"{build.registry}/{folder.name}:{commit}")
    registry = registries.at(reference.registry)
    file = build.dockerfile if (folder / build.dockerfile).is_file() else IMAGE_FILE
    content_tag = _content_tag(folder, file)
    is_new = build.rebuild or not _tag_again(registry, reference.repository, content_tag, commit)
    if is_new:
        tell(f"building {folder.name}")
        build_image(build.engine, folder, str(reference), dockerfile=file, network=build.network)
        push_image(build.engine, str(reference))
        _tag_again(registry, reference.repository, commit, content_tag)
    image = registry.platforms(reference.repository, commit)
    return BuiltImage(reference.name, OwnImage(commit, resolved(image)), image, is_new)


def _tag_again(registry: Registry, repository: str, tag: str, other: str) -> bool:
    """Give what a tag stands for another tag; False when there is no such tag."""
    try:
        found = registry.manifest(repository, tag)
    except ImageMissing:
        return False
    registry.push_manifest(repository, found.content, found.media_type, tags=(other,))
    return True


def _content_tag(folder: Path, file: str) -> str:
    """Return the tag of what is built from the folder's files as they are committed."""
    return "built-from-" + hashlib.sha256(f"{tree_of(folder)}\0{file}".encode()).hexdigest()[:32]
