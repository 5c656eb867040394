"""Descriptors of OCI: how one stored thing names another, by media type, digest and size.

Source: OCI image-spec 1.1, descriptor.md and manifest.md ("guidance for an empty descriptor").
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mosaic.core import strict_json
from mosaic.core.strict_json import NotStrict, Plain

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One stored thing. `digest` is `sha256:<hex>`; `size` is in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)

    def annotated(self, annotations: Mapping[str, str]) -> "Descriptor":
        """Return it with these annotations and no others."""
        return Descriptor(self.media_type, self.digest, self.size, dict(annotations))


def is_digest(text: str) -> bool:
    """Whether a text is a digest that Mosaic takes: SHA-256 in lower-case hex."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes) -> str:
    """Return the digest of bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def describe(content: bytes, media_type: str) -> Descriptor:
    """Return the descriptor of bytes."""
    return Descriptor(media_type, digest_of(content), len(content))


def plain(descriptor: Descriptor) -> dict[str, Plain]:
    """Return a descriptor as JSON has it."""
    known: dict[str, Plain] = {
        "digest": descriptor.digest,
        "mediaType": descriptor.media_type,
        "size": descriptor.size,
    }
    annotations: dict[str, Plain] = dict(descriptor.annotations)
    return known | ({"annotations": annotations} if annotations else {})


def read_descriptor(value: Plain, what: str) -> Descriptor:
    """Believe that a value is a descriptor. Members that Mosaic does not use are left aside. Raises NotStrict."""
    found = strict_json.mapping(value, what)
    digest = strict_json.text(found.get("digest"), f"the digest of {what}")
    media_type = strict_json.text(found.get("mediaType"), f"the media type of {what}")
    if not is_digest(digest):
        raise NotStrict(f"{what} has {digest[:80]!a} as its digest, which is no SHA-256")
    if not _TYPE.fullmatch(media_type):
        raise NotStrict(f"{what} has {media_type[:80]!a} as its media type, which is none")
    size = strict_json.size(found.get("size"), f"the size of {what}")
    return Descriptor(media_type, digest, size, read_annotations(found.get("annotations"), what))


def read_annotations(value: Plain, what: str) -> dict[str, str]:
    """Believe that a value is annotations, or that there are none. Raises NotStrict."""
    if value is None:
        return {}
    found = strict_json.mapping(value, f"the annotations of {what}")
    return {key: strict_json.text(text, f"an annotation of {what}") for key, text in found.items()}
