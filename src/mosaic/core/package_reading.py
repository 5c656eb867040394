"""Reading packages: ours, and those that Foundries' tools published, of both generations.

| | first | second |
|---|---|---|
| artifactType | none | `application/vnd.fio+compose-app` |
| config | zero bytes | `{}` |
| layers[0] | the bundle, under one of several media types | the same |
| file digests | none | a blob that only annotations of layers[0] name |

Both have the annotation `compose-app: v1`, and may have layer sizes as layers[1] (`layers-meta: v1`)
and a member `manifests`, which no OCI manifest has and nobody needs.
Source: the public sources of compose-publish and composeapp.
"""

from collections.abc import Mapping

from mosaic.core import package, strict_json
from mosaic.core.app_repository import COMPOSE_FILE
from mosaic.core.descriptor_json import read_annotations
from mosaic.core.file_index import MAX_INDEX_BYTES, FileIndex
from mosaic.core.oci_types import Descriptor, as_digest, is_digest
from mosaic.core.package import AppManifest, Kind, PackageTooNew, PackageUnreadable, members, require_bounded
from mosaic.core.strict_json import NotStrict, Plain

_SECOND = "application/vnd.fio+compose-app"
_BUNDLE_TYPES = frozenset(
    {
        "application/octet-stream",
        "application/tar+gzip",
        "application/gzip",
        "application/x-gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    }
)
_HASHES_DIGEST = "org.foundries.app.bundle.index.digest"
_HASHES_SIZE = "org.foundries.app.bundle.index.size"


def read(content: bytes) -> AppManifest:
    """Return the package that a manifest's bytes, from anywhere, are of.

    Raises:
        PackageUnreadable: not a manifest of an app, or one that is wrong somewhere.
        PackageTooNew: ours, and of a later version.
    """
    try:
        found, config, layers = members(content)
        if package.is_own(config):
            return require_bounded(package.read_own(found, config, layers))
        return require_bounded(_read_foundries(found, config, layers))
    except NotStrict as error:
        raise PackageUnreadable(str(error)) from None


def read_hashes(content: bytes) -> dict[str, str]:
    """Return the SHA-256 (hex) by file name from the second generation's list. Raises PackageUnreadable."""
    try:
        found = strict_json.mapping(strict_json.read(content, most_bytes=MAX_INDEX_BYTES), "the list of files")
        return {name.removeprefix("./"): _hex(name, value) for name, value in found.items()}
    except NotStrict as error:
        raise PackageUnreadable(str(error)) from None


def require_one_compose_file(app: AppManifest, index: FileIndex) -> None:
    """Return when the compose file beside the bundle, which people and `docker compose` read, is the one in it.

    Raises:
        PackageUnreadable: it is another, or the bundle has none.
    """
    installed = index.files.get(COMPOSE_FILE)
    if app.compose is not None and (installed is None or f"sha256:{installed.sha256}" != app.compose.digest):
        raise PackageUnreadable("its compose file is not the one in its bundle")


def unlike(index: FileIndex, hashes: Mapping[str, str]) -> str | None:
    """Return the first file on which an archive and the second generation's list disagree; None when they agree.

    Folders are in no such list, and links are in it as if they were empty files, which says nothing of them.
    """
    others = {path: digest for path, digest in hashes.items() if path not in index.links}
    found = {path: file.sha256 for path, file in index.files.items()}
    return min((path for path in found.keys() | others.keys() if found.get(path) != others.get(path)), default=None)


def _read_foundries(found: Mapping[str, Plain], config: Descriptor, layers: list[Descriptor]) -> AppManifest:
    annotations = read_annotations(found.get("annotations"), "it")
    version = annotations.get(package.COMPOSE_APP)
    if version is None:
        raise NotStrict("neither its config nor its annotations say that it is an app")
    if version != "v1":
        raise PackageTooNew(f"{package.COMPOSE_APP}: {version}")
    artifact = found.get("artifactType")
    if artifact not in (None, "", _SECOND):
        raise NotStrict(f"its artifact type is {str(artifact)[:80]!a}")
    if not layers:
        raise NotStrict("it has no layers")
    bundle = layers[0]
    if bundle.media_type not in _BUNDLE_TYPES:
        raise NotStrict(f"its first layer is {bundle.media_type}, which is no bundle")
    return AppManifest(
        Kind.FOUNDRIES_2 if artifact else Kind.FOUNDRIES_1,
        package.about_of(annotations),
        config,
        bundle,
        layer_sizes=_layer_sizes(layers),
        hashes=_hashes(bundle),
    )


def _layer_sizes(layers: list[Descriptor]) -> Descriptor | None:
    """Return the second layer when it is layer sizes that can be read; sizes of another version are as good as none."""
    if len(layers) > 1 and layers[1].annotations.get(package.LAYERS_META) == "v1":
        return layers[1]
    return None


def _hashes(bundle: Descriptor) -> Descriptor | None:
    written, size = bundle.annotations.get(_HASHES_DIGEST), bundle.annotations.get(_HASHES_SIZE)
    if written is None and size is None:
        return None
    digest = as_digest(written or "")
    if digest is None or size is None or not (size.isascii() and size.isdigit()):
        raise NotStrict("its annotations name a list of files that cannot be")
    if len(size) > 9 or int(size) > MAX_INDEX_BYTES:
        raise NotStrict("its list of files is too large")
    return Descriptor("application/json", digest, int(size))


def _hex(name: str, value: Plain) -> str:
    digest = strict_json.text(value, f"the digest of {name[:80]!a}")
    if not is_digest(digest):
        raise NotStrict(f"{name[:80]!a} has no SHA-256")
    return digest.removeprefix("sha256:")
