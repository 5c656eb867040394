"""What a package is: one OCI manifest that names an app's bundle, its file index, its layer sizes and its compose file.

    artifactType   application/vnd.docker.compose.project       so that `docker compose -f oci://…` takes it
    config         application/vnd.mosaic.app.v1+json, `{}`     so that Mosaic knows it, and which version it is
    layers[0]      …app.bundle.v1.tar+gzip                      the folder; annotated with its plain tar's digest
    layers[1]      …app.layers.v1+json                          sizes per platform (optional), `layers-meta: v1`
    then           …app.index.v1+json                           the file index
    then           application/vnd.docker.compose.file+yaml     the pinned compose file once more (optional)
    annotations    `compose-app: v1` and OCI's own title, version, revision, created

Bundle and layer sizes lie where Foundries' readers look for them. The bytes
are canonical: the same app has the same digest. Where bytes come from anywhere, `core.package_reading`
reads them. Nothing here says whom to trust: a manifest is believed because its digest was
signed, or it is not believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from mosaic.core import layer_sizes as sizes
from mosaic.core import strict_json
from mosaic.core.descriptor_json import describe, plain, read_annotations, read_descriptor
from mosaic.core.errors import Corrupt, Refused
from mosaic.core.file_index import MAX_INDEX_BYTES, MAX_UNPACKED_BYTES
from mosaic.core.oci_types import EMPTY_CONTENT, OCI_MANIFEST, Descriptor, digest_of, is_digest
from mosaic.core.strict_json import NotStrict, Plain

MAX_MANIFEST_BYTES = 50 * 1024
MAX_LAYERS = 16
MAX_BUNDLE_BYTES = MAX_UNPACKED_BYTES + 64 * 1024**2
"""Compression makes nothing that much larger, and the headers of a full index take less."""

MAX_COMPOSE_BYTES = 1024**2
MAX_CONFIG_BYTES = 1024**2
COMPOSE_PROJECT = "application/vnd.docker.compose.project"
COMPOSE_TYPE = "application/vnd.docker.compose.file+yaml"

_OURS = "application/vnd.mosaic.app."
CONFIG_TYPE = f"{_OURS}v1+json"
BUNDLE_TYPE = f"{_OURS}bundle.v1.tar+gzip"
INDEX_TYPE = f"{_OURS}index.v1+json"
LAYERS_TYPE = f"{_OURS}layers.v1+json"
_MEMBERS = ("annotations", "artifactType", "config", "layers", "mediaType", "schemaVersion")
_KNOWN = (BUNDLE_TYPE, INDEX_TYPE, LAYERS_TYPE)

_TAR_DIGEST, _TAR_SIZE = "vnd.mosaic.app.bundle.tar.digest", "vnd.mosaic.app.bundle.tar.size"
_TITLE, _VERSION = "org.opencontainers.image.title", "org.opencontainers.image.version"
_REVISION, _CREATED = "org.opencontainers.image.revision", "org.opencontainers.image.created"
COMPOSE_APP, LAYERS_META = "compose-app", "layers-meta"


class PackageUnreadable(Corrupt):
    """The bytes are no manifest of an app."""

    code = "package-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this is no package of an app: {reason}", hint="publish the app again")


class PackageTooNew(Refused):
    """A newer Mosaic made the package."""

    code = "package-too-new"

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"the package is of a kind that this Mosaic does not know: {media_type[:120]}",
            hint="update Mosaic on this machine, or publish the app with the version that runs here",
        )


class Kind(Enum):
    """Who made a package, and by which of their formats."""

    MOSAIC = "mosaic"
    FOUNDRIES_1 = "foundries-1"
    FOUNDRIES_2 = "foundries-2"


@dataclass(frozen=True, slots=True)
class About:
    """What a package says of itself. `created` is RFC 3339, only there when the publisher gave one. None: not said."""

    name: str | None = None
    version: str | None = None
    commit: str | None = None
    created: str | None = None


@dataclass(frozen=True, slots=True)
class PlainTar:
    """A bundle before compression: what is the same whichever zlib compressed it."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class AppManifest:
    """A package. Foundries' ones have no `tar`, and no `index` that the whole of a bundle could be checked against.

    `hashes` is the second generation's list of digests by file name.
    """

    kind: Kind
    about: About
    config: Descriptor
    bundle: Descriptor
    index: Descriptor | None = None
    layer_sizes: Descriptor | None = None
    compose: Descriptor | None = None
    tar: PlainTar | None = None
    hashes: Descriptor | None = None

    @property
    def needed(self) -> list[Descriptor]:
        """What a Device fetches to install the app, the small ones first."""
        ones = (self.index, self.layer_sizes, self.hashes, self.bundle)
        return [one for one in ones if one is not None]

    @property
    def every(self) -> list[Descriptor]:
        """All that a registry or an export must hold beside the manifest, each digest once."""
        ones = (self.config, *self.needed, self.compose)
        return [*{one.digest: one for one in ones if one is not None}.values()]


def write(
    about: About, *, bundle: Descriptor, tar: PlainTar, index: bytes, layer_sizes: bytes | None, compose: bytes | None
) -> bytes:
    """Return the manifest's bytes. `bundle` needs only digest and size; the others are described here."""
    annotations = {COMPOSE_APP: "v1"} | _told(about)
    tar_words = {_TAR_DIGEST: tar.digest, _TAR_SIZE: str(tar.size)}
    layers = [Descriptor(BUNDLE_TYPE, bundle.digest, bundle.size, tar_words)]
    if layer_sizes is not None:
        layers.append(describe(layer_sizes, LAYERS_TYPE, {LAYERS_META: "v1"}))
    layers.append(describe(index, INDEX_TYPE))
    if compose is not None:
        layers.append(describe(compose, COMPOSE_TYPE, {"com.docker.compose.file": "docker-compose.yml"}))
    return strict_json.write(
        {
            "annotations": dict[str, Plain](annotations),
            "artifactType": COMPOSE_PROJECT,
            "config": plain(describe(EMPTY_CONTENT, CONFIG_TYPE)),
            "layers": [plain(layer) for layer in layers],
            "mediaType": OCI_MANIFEST,
            "schemaVersion": 2,
        }
    )


def read_own(found: Mapping[str, Plain], config: Descriptor, layers: list[Descriptor]) -> AppManifest:
    """Return a package of our own, from the members of its manifest. Raises NotStrict, PackageTooNew."""
    if config.media_type != CONFIG_TYPE:
        raise PackageTooNew(config.media_type)
    strict_json.only(found, _MEMBERS, "it")
    if found.get("artifactType") != COMPOSE_PROJECT or config.digest != digest_of(EMPTY_CONTENT):
        raise NotStrict("its artifact type or its config is not that of an app")
    for layer in layers:
        if layer.media_type.startswith(_OURS) and layer.media_type not in _KNOWN:
            raise PackageTooNew(layer.media_type)
    bundle, index = _one(layers, BUNDLE_TYPE), _one(layers, INDEX_TYPE)
    if bundle is None or index is None:
        raise NotStrict("it has no bundle" if bundle is None else "it has no file index")
    annotations = read_annotations(found.get("annotations"), "it")
    tar_digest, tar_size = bundle.annotations.get(_TAR_DIGEST, ""), bundle.annotations.get(_TAR_SIZE, "")
    if not is_digest(tar_digest) or not (tar_size.isascii() and tar_size.isdigit() and len(tar_size) < 20):
        raise NotStrict("it does not say what the bundle is before compression")
    return AppManifest(
        Kind.MOSAIC,
        about_of(annotations),
        config,
        bundle,
        index,
        layer_sizes=_one(layers, LAYERS_TYPE),
        compose=_one(layers, COMPOSE_TYPE),
        tar=PlainTar(tar_digest, int(tar_size)),
    )


def require_bounded(manifest: AppManifest) -> AppManifest:
    """Return the manifest when nothing that it names is larger than a Device would read. Raises NotStrict."""
    limits = (
        ("bundle", manifest.bundle, MAX_BUNDLE_BYTES),
        ("file index", manifest.index, MAX_INDEX_BYTES),
        ("list of layer sizes", manifest.layer_sizes, sizes.MAX_BYTES),
        ("compose file", manifest.compose, MAX_COMPOSE_BYTES),
        ("config", manifest.config, MAX_CONFIG_BYTES),
    )
    for what, descriptor, most in limits:
        if descriptor is not None and descriptor.size > most:
            raise NotStrict(f"its {what} has {descriptor.size} bytes, and {most} is the most")
    return manifest


def about_of(annotations: Mapping[str, str]) -> About:
    """Return what annotations say of an app."""
    return About(*(annotations.get(key) for key in (_TITLE, _VERSION, _REVISION, _CREATED)))


def is_own(config: Descriptor) -> bool:
    """Whether a manifest with this config is Mosaic's, of whichever version."""
    return config.media_type.startswith(_OURS)


def members(content: bytes) -> tuple[Mapping[str, Plain], Descriptor, list[Descriptor]]:
    """Return a manifest's members, its config and its layers. Raises NotStrict."""
    found = strict_json.mapping(strict_json.read(content, most_bytes=MAX_MANIFEST_BYTES), "it")
    if found.get("schemaVersion") != 2 or found.get("mediaType") != OCI_MANIFEST:
        raise NotStrict("it is no OCI image manifest")
    layers = strict_json.items(found.get("layers"), "its list of layers")
    if len(layers) > MAX_LAYERS:
        raise NotStrict(f"it has more than {MAX_LAYERS} layers")
    config = read_descriptor(found.get("config"), "its config")
    return found, config, [read_descriptor(layer, f"layer {number}") for number, layer in enumerate(layers)]


def _told(about: About) -> dict[str, str]:
    words = {_TITLE: about.name, _VERSION: about.version, _REVISION: about.commit, _CREATED: about.created}
    return {key: word for key, word in words.items() if word is not None}


def _one(layers: list[Descriptor], media_type: str) -> Descriptor | None:
    found = [layer for layer in layers if layer.media_type == media_type]
    if len(found) > 1:
        raise NotStrict(f"it has {media_type} twice")
    return found[0] if found else None
