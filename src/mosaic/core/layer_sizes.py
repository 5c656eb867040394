"""How large the layers of an app's images are, on each platform: what a disk forecast is made from.

    {"amd64":{"fs_block_size":4096,"layers":{"sha256:<hex>":{"archive_size":3,"size":9,"usage":12}}}}

`archive_size` is what is downloaded, `size` what the files of the layer have
together, `usage` what they take on a disk with blocks of `fs_block_size`. The last two
are absent where nobody knows them. This is the layout of layers-meta of Foundries'
compose apps, so their tools read it as it is. The key is the architecture of
Linux images, with the variant behind a slash where there is one (`arm/v7`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.core import strict_json
from mosaic.core.oci_types import is_digest
from mosaic.core.strict_json import NotStrict, Plain

MAX_BYTES = 1024**2
_MOST_PLATFORMS = 64


@dataclass(frozen=True, slots=True)
class LayerSize:
    """One layer, in bytes. None: nobody knows."""

    archive_bytes: int
    unpacked_bytes: int | None = None
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PlatformLayers:
    """The layers of all images of an app on one platform, by digest."""

    block_bytes: int
    layers: Mapping[str, LayerSize]


def write(platforms: Mapping[str, PlatformLayers]) -> bytes:
    """Return the bytes for these platforms."""
    return strict_json.write({name: _plain(platform) for name, platform in platforms.items()})


def read(content: bytes) -> dict[str, PlatformLayers]:
    """Return what bytes from anywhere say, ours or those of Foundries' tools. Raises NotStrict."""
    found = strict_json.mapping(strict_json.read(content, most_bytes=MAX_BYTES), "the layer sizes")
    if len(found) > _MOST_PLATFORMS:
        raise NotStrict(f"there are more than {_MOST_PLATFORMS} platforms in it")
    return {name: _platform(name, value) for name, value in found.items()}


def of_platform(platforms: Mapping[str, PlatformLayers], architecture: str, variant: str = "") -> PlatformLayers | None:
    """Return the layers for a machine; None when nothing is known for it."""
    exact = platforms.get(f"{architecture}/{variant}") if variant else None
    return exact or platforms.get(architecture)


def _plain(platform: PlatformLayers) -> Plain:
    layers: dict[str, Plain] = {}
    for digest, layer in platform.layers.items():
        known: dict[str, Plain] = {"archive_size": layer.archive_bytes}
        if layer.unpacked_bytes is not None:
            known["size"] = layer.unpacked_bytes
        if layer.used_bytes is not None:
            known["usage"] = layer.used_bytes
        layers[digest] = known
    return {"fs_block_size": platform.block_bytes, "layers": layers}


def _platform(name: str, value: Plain) -> PlatformLayers:
    found = strict_json.mapping(value, f"platform {name[:40]!a}")
    layers: dict[str, LayerSize] = {}
    for digest, entry in strict_json.mapping(found.get("layers"), f"the layers of {name[:40]!a}").items():
        if not is_digest(digest):
            raise NotStrict(f"{digest[:80]!a} is the digest of no layer")
        sizes = strict_json.mapping(entry, f"layer {digest}")
        layers[digest] = LayerSize(
            strict_json.size(sizes.get("archive_size"), f"archive_size of {digest}"),
            _known(sizes.get("size"), f"size of {digest}"),
            _known(sizes.get("usage"), f"usage of {digest}"),
        )
    block = strict_json.size(found.get("fs_block_size"), "fs_block_size")
    return PlatformLayers(max(1, block), layers)


def _known(value: Plain, what: str) -> int | None:
    # Tools that did not know wrote 0, or nothing.
    return (strict_json.size(value, what) or None) if value is not None else None
