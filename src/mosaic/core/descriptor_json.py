"""Descriptors of OCI as canonical JSON: how one stored thing names another, written, and read without trust.

Source: OCI image-spec 1.1, descriptor.md.
"""

import re
from collections.abc import Mapping

from mosaic.core import strict_json
from mosaic.core.oci_types import Descriptor, as_digest, digest_of
from mosaic.core.strict_json import NotStrict, Plain

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII)


def describe(content: bytes, media_type: str, annotations: Mapping[str, str] | None = None) -> Descriptor:
    """Return the descriptor of bytes."""
    return Descriptor(media_type, digest_of(content), len(content), dict(annotations or {}))


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
    written = strict_json.text(found.get("digest"), f"the digest of {what}")
    digest = as_digest(written)
    media_type = strict_json.text(found.get("mediaType"), f"the media type of {what}")
    if digest is None:
        raise NotStrict(f"{what} has {written[:80]!a} as its digest, which is no SHA-256")
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
