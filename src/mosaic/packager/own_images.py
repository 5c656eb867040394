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
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.core import image_ref
from mosaic.core.app_repository import IMAGE_FILE
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.core.image_ref import ImageRefUnreadable
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


class BuildUnusable(Refused):
    """Nothing can be built, or pushed, as it was asked. Nothing was."""

    code = "build-unusable"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason, hint=hint)


def require_usable(build: Build) -> None:
    """Raise BuildUnusable when no app could be pushed there, or the Dockerfile is not one of a folder."""
    try:
        image_ref.parse(f"{build.registry}/app:tag")
    except ImageRefUnreadable:
        raise BuildUnusable(
            f"{build.registry[:120]!r} is no place in a registry",
            hint="write host and namespace: registry.example.org/team",
        ) from None
    # Its content is part of what names an image, so it has to lie in the folder.
    if build.dockerfile in ("", ".", "..") or "/" in build.dockerfile:
        raise BuildUnusable(
            f"{build.dockerfile[:120]!r} is no name of a file",
            hint=f"name a file as it is called in the folders, for instance {IMAGE_FILE}.debian",
        )


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image of the app repository, as its registry has it."""

    name: str
    own: OwnImage
    image: Image
    is_new: bool


def build_own(folder: Path, tree: str, commit: str, build: Build, registries: Registries, tell: Tell) -> BuiltImage:
    """Have the registry keep the folder's image under the tag `commit`. May be called again.

    `tree` is what git calls the folder's content.


    Raises:
        BuildFailed, PushFailed: the engine's own words.
        ImageRefUnreadable: the registry's name cannot be one.
        MosaicError: what the registry says, see `Registry`.
    """
    reference = image_ref.parse(f"{build.registry}/{folder.name}:{commit}")
    registry = registries.at(reference.registry)
    file = build.dockerfile if (folder / build.dockerfile).is_file() else IMAGE_FILE
    content_tag = _content_tag(tree, file)
    is_new = build.rebuild or not _is_whole(registry, reference.repository, content_tag)
    if is_new:
        tell(f"building {folder.name}")
        build_image(build.engine, folder, str(reference), dockerfile=file, network=build.network)
        push_image(build.engine, str(reference))
        _tag_again(registry, reference.repository, commit, content_tag)
    else:
        _tag_again(registry, reference.repository, content_tag, commit)
    image = registry.platforms(reference.repository, commit)
    return BuiltImage(reference.name, OwnImage(commit, resolved(image)), image, is_new)


def _is_whole(registry: Registry, repository: str, tag: str) -> bool:
    """Whether a registry has an image with all that belongs to it: one that lost a layer is no reason not to build."""
    try:
        image = registry.platforms(repository, tag)
    except (NotFound, Corrupt):
        return False
    blobs = {blob.digest: blob for one in image.platforms for blob in (one.config, *one.layers)}
    return all(registry.has_blob(repository, blob) for blob in blobs.values())


def _tag_again(registry: Registry, repository: str, tag: str, other: str) -> None:
    """Give what a tag stands for another tag."""
    found = registry.manifest(repository, tag)
    registry.push_manifest(repository, found.content, found.media_type, tags=(other,))


def _content_tag(tree: str, file: str) -> str:
    """Return the tag of what is built from the folder's files as they are committed."""
    return "built-from-" + hashlib.sha256(f"{tree}\0{file}".encode()).hexdigest()[:32]
