"""Reading and writing the documents that registries keep (OCI image-spec 1.1; Docker's manifest v2, schema 2).

What a document is follows from its media type alone, never from which fields
it happens to have: content that can be read as two kinds has been used to
show different images to different readers (distribution-spec, CVE-2021-41190).
Fields that are not known are passed over, as the specification asks; Foundries'
bundles have some. Written documents have sorted keys and no spaces, so that
the same words always give the same digest.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import msgspec

from mosaic.core.oci_types import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageManifest,
    Platform,
    as_digest,
)

_LARGEST = 2**53
_KNOWN_TYPES = frozenset({OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX})
# What servers say that do not know the type of what they send.
_UNTOLD = frozenset({"", "application/json", "application/octet-stream", "text/plain", "binary/octet-stream"})

_Size = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
T = TypeVar("T")

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the parser raises for bytes of any kind; none of it is one of the others."""


class DocumentInvalid(ValueError):
    """A document that makes no sense. Its words say why; callers know which one it is."""


class _Platform(msgspec.Struct, rename={"os_version": "os.version"}):
    architecture: str = ""
    os: str = ""
    variant: str = ""
    os_version: str = ""


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: _Size
    media_type: str = ""
    annotations: dict[str, str] | None = None
    platform: _Platform | None = None
    artifact_type: str = ""


class _Manifest(msgspec.Struct, rename="camel"):
    config: _Descriptor
    layers: list[_Descriptor] | None = None
    artifact_type: str = ""
    annotations: dict[str, str] | None = None
    subject: _Descriptor | None = None


class _Index(msgspec.Struct, rename="camel"):
    manifests: list[_Descriptor] | None = None


class _Typed(msgspec.Struct, rename="camel"):
    media_type: str = ""
    manifests: object = None


def kind_of(content: bytes, told: str) -> str:
    """Return a manifest's media type. `told` is the server's word for it. Raises DocumentInvalid: they disagree."""
    named = _decoded(content, _Typed)
    told = told.partition(";")[0].strip().lower()
    if told in _UNTOLD:
        return named.media_type or (OCI_MANIFEST if named.manifests is None else OCI_INDEX)
    if named.media_type not in ("", told):
        raise DocumentInvalid(f"it calls itself {named.media_type[:100]!r}, and the registry calls it {told[:100]!r}")
    return told


def is_known_kind(media_type: str) -> bool:
    """Whether this is a manifest or an index that can be read here."""
    return media_type in _KNOWN_TYPES


def read_index(content: bytes) -> tuple[Descriptor, ...]:
    """Return what an index lists. Raises DocumentInvalid."""
    return tuple(_descriptor(entry) for entry in _decoded(content, _Index).manifests or [])


def read_image(content: bytes) -> ImageManifest:
    """Return what an image's or artifact's manifest says. Raises DocumentInvalid."""
    read = _decoded(content, _Manifest)
    return ImageManifest(
        config=_descriptor(read.config),
        layers=tuple(_descriptor(layer) for layer in read.layers or []),
        artifact_type=read.artifact_type,
        annotations=read.annotations or {},
        subject=None if read.subject is None else _descriptor(read.subject),
    )


def read_platform(config: bytes) -> Platform:
    """Return what an image's configuration says it runs on. Raises DocumentInvalid."""
    return _platform(_decoded(config, _Platform))


def write_image(image: ImageManifest) -> bytes:
    """Return the manifest of an image or artifact."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _written(image.config),
        "layers": [_written(layer) for layer in image.layers],
    }
    if image.artifact_type:
        document["artifactType"] = image.artifact_type
    if image.annotations:
        document["annotations"] = dict(image.annotations)
    if image.subject is not None:
        document["subject"] = _written(image.subject)
    return _encoded(document)


def write_index(entries: Sequence[Descriptor], media_type: str = OCI_INDEX) -> bytes:
    """Return an index of these manifests, in this order."""
    listed = [_written(entry) for entry in entries]
    return _encoded({"schemaVersion": 2, "mediaType": media_type, "manifests": listed})


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except UNREADABLE as error:
        raise DocumentInvalid(f"it is not a document of the kind that it should be: {error}") from None


def _descriptor(read: _Descriptor) -> Descriptor:
    digest = as_digest(read.digest)
    if digest is None:
        raise DocumentInvalid(f"it names something by {read.digest[:100]!r}, which is no SHA-256 digest")
    platform = None if read.platform is None else _platform(read.platform)
    return Descriptor(read.media_type, digest, read.size, read.annotations or {}, platform, read.artifact_type)


def _platform(read: _Platform) -> Platform:
    return Platform(read.os, read.architecture, read.variant, read.os_version)


def _written(descriptor: Descriptor) -> Mapping[str, object]:
    written: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }
    if descriptor.annotations:
        written["annotations"] = dict(descriptor.annotations)
    if descriptor.artifact_type:
        written["artifactType"] = descriptor.artifact_type
    if (platform := descriptor.platform) is not None:
        parts = {
            "os": platform.os,
            "architecture": platform.architecture,
            "variant": platform.variant,
            "os.version": platform.os_version,
        }
        written["platform"] = {name: part for name, part in parts.items() if part}
    return written


def _encoded(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
