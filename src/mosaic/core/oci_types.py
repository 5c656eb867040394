"""What registries keep, as values: digests, descriptors, platforms, images.

The words and rules are those of the OCI image-spec 1.1 (descriptor.md,
image-index.md, manifest.md) and distribution-spec 1.1 (names and tags). Only
SHA-256 digests are known here; nothing in the field uses another one. How
documents are read and written is left to `adapters.oci.documents` and `package`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

Digest = NewType("Digest", str)
"""`sha256:` and the hex SHA-256 of some content: its name in every registry."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
OCTETS = "application/octet-stream"

MANIFEST_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = (OCI_INDEX, DOCKER_INDEX)

EMPTY_CONTENT = b"{}"
"""What an artifact has for a configuration when it needs none."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LONGEST_REPOSITORY = 255


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on. `variant` and `os_version` are empty where an image says nothing of them."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Content in a registry, by what it is: type, digest and size in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index, byte for byte as it lies in the registry."""

    content: bytes
    digest: Digest
    media_type: str

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests instead of layers."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """What an image's or an artifact's manifest says. `subject` is what an artifact was attached to."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """An image for one platform: its manifest, and what has to be fetched with it."""

    platform: Platform
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def download_bytes(self) -> int:
        """How many bytes are fetched for it when nothing of it is there, its manifest included."""
        return self.manifest.size + self.config.size + sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it is pinned: by the digest of its index, or of its only manifest."""

    digest: Digest
    media_type: str
    size: int
    platforms: tuple[PlatformImage, ...]


def digest_of(content: bytes) -> Digest:
    """Return the name of some content."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def as_digest(text: str) -> Digest | None:
    """Return a digest that somebody wrote; None when it is none that is known here."""
    return Digest(text) if _DIGEST.fullmatch(text) else None


def is_digest(text: str) -> bool:
    """Whether a text is a digest that is known here."""
    return as_digest(text) is not None


def is_repository(name: str) -> bool:
    """Whether a registry can have a repository of this name."""
    return len(name) <= _LONGEST_REPOSITORY and _REPOSITORY.fullmatch(name) is not None


def is_tag(name: str) -> bool:
    """Whether a manifest can be tagged so."""
    return _TAG.fullmatch(name) is not None


def referrers_tag(subject: Digest) -> str:
    """Return the tag under which lies what was attached, where a registry keeps no lists (referrers tag schema)."""
    return subject.replace(":", "-")
