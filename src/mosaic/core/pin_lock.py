"""The lock file of an app: what its images were when registries were last asked.

    {"version": 1,
     "images": {"docker.io/library/nginx:1.29": {
       "digest": "sha256:…", "media_type": "application/vnd.oci.image.index.v1+json",
       "platforms": [{"os": "linux", "architecture": "arm64", "variant": "v8",
                      "digest": "sha256:…", "layer_sizes": [3624512, …]}]}}}

Names are full and sorted, sizes in bytes. Reading, writing and what JSON it is
made of are the caller's.
"""

from collections.abc import Mapping

from mosaic.core.compose_document import Json
from mosaic.core.errors import Refused
from mosaic.core.image_platforms import Answer, PlatformImage, Resolved
from mosaic.core.image_ref import ImageRef, ImageRefUnreadable, parse
from mosaic.core.oci_types import is_digest

VERSION = 1

_MOST_BYTES = 2**63


class LockUnusable(Refused):
    """The lock file of an app's images is not one that this version can read."""

    code = "lock-unusable"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the lock file of the app's images cannot be used: {why}",
            hint="delete it, and build the app again where its registries can be reached",
        )


def to_lock(answers: Mapping[ImageRef, Answer]) -> dict[str, Json]:
    """Return what the registries said, without those that did not."""
    images: dict[str, Json] = {
        str(reference): _image_to_json(answer)
        for reference, answer in sorted(answers.items(), key=lambda item: str(item[0]))
        if isinstance(answer, Resolved)
    }
    return {"version": VERSION, "images": images}


def from_lock(lock: object) -> dict[ImageRef, Resolved]:
    """Return what `to_lock` was given. Raises LockUnusable: another version, or not of this form."""
    fields = _mapping(lock, "it")
    if fields.get("version") != VERSION:
        raise LockUnusable(f"its version is {str(fields.get('version'))[:40]}, and {VERSION} is known")
    images = _mapping(fields.get("images"), "images")
    return dict(_read_image(name, image) for name, image in images.items())


def _image_to_json(image: Resolved) -> Json:
    platforms: list[Json] = [
        {
            "os": each.os,
            "architecture": each.architecture,
            "variant": each.variant,
            "digest": each.digest,
            "layer_sizes": list(each.layer_sizes),
        }
        for each in image.platforms
    ]
    return {"digest": image.digest, "media_type": image.media_type, "platforms": platforms}


def _read_image(name: str, image: object) -> tuple[ImageRef, Resolved]:
    try:
        reference = parse(name)
    except ImageRefUnreadable as error:
        raise LockUnusable(error.message) from error
    fields = _mapping(image, name)
    platforms = fields.get("platforms")
    if not isinstance(platforms, list):
        raise LockUnusable(f"platforms of {name} is no list")
    return reference, Resolved(
        _digest(fields, name),
        _text(fields, "media_type", name),
        tuple(_read_platform(each, name) for each in platforms),
    )


def _read_platform(platform: object, name: str) -> PlatformImage:
    where = f"a platform of {name}"
    fields = _mapping(platform, where)
    sizes = fields.get("layer_sizes")
    if not isinstance(sizes, list):
        raise LockUnusable(f"layer_sizes of {where} is no list")
    return PlatformImage(
        _text(fields, "os", where),
        _text(fields, "architecture", where),
        _text(fields, "variant", where),
        _digest(fields, where),
        tuple(_size(size, where) for size in sizes),
    )


def _mapping(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise LockUnusable(f"{where[:120]} is no mapping")
    return dict(value)


def _text(fields: Mapping[str, object], key: str, where: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str):
        raise LockUnusable(f"{key} of {where} is no text")
    return value


def _digest(fields: Mapping[str, object], where: str) -> str:
    digest = _text(fields, "digest", where)
    if not is_digest(digest):
        raise LockUnusable(f"digest of {where} is {digest[:80]!r}, which is none")
    return digest


def _size(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_BYTES:
        raise LockUnusable(f"layer_sizes of {where} has {str(value)[:40]!r}, which is no size")
    return value
