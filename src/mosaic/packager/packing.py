"""Making an app's folder a package: images pinned in its compose file, the rest as it is, everything named by digest.

Nothing is sent anywhere: what comes out is a manifest and the blobs that it
names, for a registry or for a file. The same folder with the same pins gives
the same digest, on every machine.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters import bundle_archive, compose_text
from mosaic.core import file_index, layer_sizes, package
from mosaic.core.app_repository import COMPOSE_FILE
from mosaic.core.ids import AppDigest
from mosaic.core.image_platforms import PlatformImage as Pinnable
from mosaic.core.layer_sizes import LayerSize, PlatformLayers
from mosaic.core.oci_types import EMPTY_CONTENT, Descriptor, Digest, Image, digest_of
from mosaic.core.package import BUNDLE_TYPE, About, PlainTar
from mosaic.core.pin_problems import ImageUse
from mosaic.core.pinning import Pinned
from mosaic.packager.left_out import left_out_of
from mosaic.packager.own_file import compose_text_of

_BLOCK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Packed:
    """A package. `blobs` has what the manifest names, by digest: the bundle as a file, the rest as bytes.

    `unpinned` are services whose image is still a name; only a build without registries leaves any.
    """

    name: str
    digest: AppDigest
    manifest: bytes
    bundle: Descriptor
    blobs: Mapping[str, Path | bytes]
    unpinned: tuple[ImageUse, ...]
    platforms: tuple[str, ...] | None


def uses_of(folder: Path) -> list[ImageUse]:
    """Return what each service of the app says of its image. Raises ComposeInvalid, AppUnpackable."""
    file = f"{folder.name}/{COMPOSE_FILE}"
    return [each.use(file) for each in compose_text.images(compose_text_of(folder))]


def pack(folder: Path, pinned: Pinned, *, about: About, images: Mapping[str, Image], into: Path) -> Packed:
    """Write the app's bundle into the folder `into`, and return the package.

    `images` are those that registries told of, by digest: their layers become
    the forecast of what the app needs on a disk.

    Raises:
        AppUnpackable, IgnoreRulesBad, ComposeInvalid, ImageShared: the folder cannot be packed so.
    """
    compose = compose_text.splice(compose_text_of(folder), pinned.replacements())
    archive = into / f"{folder.name}.tar.gz"
    written = bundle_archive.write(
        folder,
        archive,
        skip=left_out_of(folder),
        replaced={COMPOSE_FILE: compose},
    )
    bundle = Descriptor(BUNDLE_TYPE, Digest(written.digest), written.size)
    index = file_index.write(written.index)
    sizes = _layer_sizes(images[pin.image.digest or ""] for pin in pinned.pins if pin.image.digest in images)
    manifest = package.write(
        about,
        bundle=bundle,
        tar=PlainTar(written.tar_digest, written.tar_size),
        index=index,
        layer_sizes=sizes,
        compose=compose,
    )
    small = [EMPTY_CONTENT, index, compose, *([] if sizes is None else [sizes])]
    blobs: dict[str, Path | bytes] = {digest_of(content): content for content in small}
    return Packed(
        folder.name,
        AppDigest(digest_of(manifest)),
        manifest,
        bundle,
        {**blobs, written.digest: archive},
        pinned.unpinned,
        pinned.platforms,
    )


def _layer_sizes(images: Iterable[Image]) -> bytes | None:
    """Return how large the images are on each platform of Linux; None when no registry told of any."""
    found: dict[str, dict[str, LayerSize]] = {}
    for image in images:
        for one in image.platforms:
            platform = one.platform
            name = Pinnable(platform.os, platform.architecture, platform.variant, one.manifest.digest, ()).platform
            system, _, machine = name.partition("/")
            if system == "linux":
                layers = found.setdefault(machine, {})
                layers.update({layer.digest: LayerSize(layer.size) for layer in one.layers})
    if not found:
        return None
    return layer_sizes.write({name: PlatformLayers(_BLOCK_BYTES, layers) for name, layers in sorted(found.items())})
