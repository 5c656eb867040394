"""A signature of a package's digest, in the format that cosign has for keys.

What is signed is a small JSON text, which names the manifest by its digest.
It lies in the registry as a layer of its own, with the signature in base64
beside it. Any program that knows Ed25519 can check that; Devices do not look
at it: they go by signed Targets.

Sources: sigstore/cosign, specs/SIGNATURE_SPEC.md (layer, annotation, tag), and
containers/image, docs/containers-signature.5.md (the payload, "simple
signing"). The payload's bytes are those that cosign itself writes.
"""

import base64
import binascii
import json

import msgspec

from mosaic.core.oci_types import Digest
from mosaic.crypto.metadata_signing import is_signed_by, sign_metadata
from mosaic.crypto.secret import Secret

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
MOST_PAYLOAD_BYTES = 64 * 1024

_KIND = "cosign container image signature"


class _Image(msgspec.Struct):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Critical(msgspec.Struct):
    image: _Image
    type: str


class _Payload(msgspec.Struct):
    critical: _Critical


def payload(name: str, digest: Digest) -> bytes:
    """Return what is signed of a manifest; `name` is its registry and repository, which nobody who checks relies on."""
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": _KIND,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def sign(seed: Secret, content: bytes) -> str:
    """Return the signature of a payload, as it stands beside its layer. The same seed gives the same one."""
    return base64.b64encode(sign_metadata(seed, content)).decode()


def is_signature(public: str, content: bytes, signature: str, digest: Digest) -> bool:
    """Whether the owner of a public key (64 hex characters) signed this payload, and it names this manifest."""
    try:
        read = msgspec.json.decode(content, type=_Payload)
        raw = base64.b64decode(signature, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError):
        return False
    names_it = (read.critical.type, read.critical.image.digest) == (_KIND, digest)
    return names_it and is_signed_by(public, content, raw)


def tag_of(digest: Digest) -> str:
    """Return the tag under which cosign looks for the signatures of a manifest."""
    return digest.replace(":", "-") + ".sig"
