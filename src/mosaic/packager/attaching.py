"""What is attached to a package in its registry: bills of materials and signatures, beside it and no part of it.

Each is an artifact with the package as its `subject`. Its bytes follow from
what is attached alone, so attaching it again changes nothing. A signature lies
under cosign's tag as well, where that program looks for it first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.failures import ImageFormatUnknown
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.core import image_ref
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.oci_types import (
    EMPTY_CONTENT,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    Descriptor,
    Digest,
    ImageManifest,
    digest_of,
)
from mosaic.crypto.secret import Secret
from mosaic.packager import signature
from mosaic.packager.sbom import Sbom, SbomUnusable

_MOST_SIGNATURES = 1000


@dataclass(frozen=True, slots=True)
class Attachments:
    """What publishing attaches. `sboms` are by the app's name, `signer` is the seed of an Ed25519 key."""

    sboms: Mapping[str, Sbom] = field(default_factory=dict)
    signer: Secret | None = None


@dataclass(frozen=True, slots=True)
class Attached:
    """Something that a registry lists beside a package. `is_signed` is None when nobody asked by whom."""

    artifact_type: str
    digest: Digest
    size: int
    is_signed: bool | None = None


def require_apps(attachments: Attachments, apps: Sequence[str]) -> None:
    """Raise SbomUnusable when one is for an app that is not published."""
    unknown = sorted(set(attachments.sboms) - set(apps))
    if unknown:
        raise SbomUnusable(
            f"there is no app {unknown[0][:80]!r} to attach a bill of materials to",
            hint=f"name one of {', '.join(apps)}",
        )


def attach(attachments: Attachments, app: str, uri: str, manifest: bytes, registries: Registries) -> None:
    """Attach what there is to a published app. May be called again; what is there is not attached twice."""
    reference = image_ref.parse(uri)
    registry = registries.at(reference.registry)
    subject = Descriptor(OCI_MANIFEST, digest_of(manifest), len(manifest))
    sbom = attachments.sboms.get(app)
    if sbom is not None:
        kind = sbom.media_type
        registry.attach(reference.repository, subject, artifact_type=kind, layers=[(sbom.content, kind)])
    if attachments.signer is not None:
        _attach_signature(registry, reference.repository, subject, attachments.signer)


def attached(registry: Registry, repository: str, subject: Digest, *, signer: str | None = None) -> list[Attached]:
    """Return what a registry lists beside a package.

    With `signer`, a public key in hex, each signature is compared with it. Raises what `Registry` does.
    """
    found = []
    for one in registry.referrers(repository, subject):
        is_signed: bool | None = None
        if signer is not None and one.artifact_type == signature.ARTIFACT_TYPE:
            is_signed = _is_signed(registry, repository, subject, one.digest, signer)
        found.append(Attached(one.artifact_type, one.digest, one.size, is_signed))
    return found


def _attach_signature(registry: Registry, repository: str, subject: Descriptor, seed: Secret) -> None:
    """Sign a package, and attach the signature. May be called again; signatures of others stay."""
    content = signature.payload(f"{registry.host}/{repository}", subject.digest)
    pushed = registry.push_blob(repository, content, media_type=signature.PAYLOAD_TYPE)
    told = {signature.ANNOTATION: signature.sign(seed, content)}
    layer = Descriptor(pushed.media_type, pushed.digest, pushed.size, told)
    empty = registry.push_blob(repository, EMPTY_CONTENT, media_type=OCI_EMPTY)
    artifact = ImageManifest(empty, (layer,), signature.ARTIFACT_TYPE, {}, subject)
    registry.push_manifest(repository, documents.write_image(artifact), OCI_MANIFEST)
    tag = signature.tag_of(subject.digest)
    there = _signatures_under(registry, repository, tag)
    if any(one.annotations.get(signature.ANNOTATION) == told[signature.ANNOTATION] for one in there):
        return
    # With a configuration as images have it: so the specification of this tag wants it.
    layers = (*there, layer)
    config = registry.push_blob(repository, _config(layers), media_type=OCI_CONFIG)
    registry.push_manifest(repository, documents.write_image(ImageManifest(config, layers)), OCI_MANIFEST, tags=[tag])


def _is_signed(registry: Registry, repository: str, subject: Digest, artifact: Digest, signer: str) -> bool:
    """Whether an artifact holds a signature of the subject. Anybody may have pushed it, and have pushed anything."""
    try:
        for layer in registry.image(repository, artifact).layers[:_MOST_SIGNATURES]:
            told = layer.annotations.get(signature.ANNOTATION)
            if told is None or layer.media_type != signature.PAYLOAD_TYPE:
                continue
            content = registry.blob(repository, layer, most_bytes=signature.MOST_PAYLOAD_BYTES)
            if signature.is_signature(signer, content, told, subject):
                return True
    except (NotFound, Corrupt, ImageFormatUnknown):
        return False
    return False


def _signatures_under(registry: Registry, repository: str, tag: str) -> tuple[Descriptor, ...]:
    try:
        found = registry.manifest(repository, tag)
    except NotFound:
        return ()
    return registry.image(repository, found.digest).layers


def _config(layers: Sequence[Descriptor]) -> bytes:
    names = ",".join(f'"{layer.digest}"' for layer in layers)
    return f'{{"architecture":"","config":{{}},"os":"","rootfs":{{"diff_ids":[{names}],"type":"layers"}}}}'.encode()
