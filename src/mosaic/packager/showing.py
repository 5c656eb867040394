"""What a package says of itself, and what its compose file asks for: read before anybody installs it.

Only its small parts are read: manifest, file index, compose file, layer sizes.
The bundle itself is fetched and checked by who installs it.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mosaic.adapters import compose_text
from mosaic.core import file_index, layer_sizes, package_reading
from mosaic.core.app_repository import COMPOSE_FILE
from mosaic.core.oci_types import Descriptor, digest_of
from mosaic.core.package import PackageUnreadable
from mosaic.core.strict_json import NotStrict
from mosaic.packager.attaching import Attached
from mosaic.packager.checking import Checked, check_app

T = TypeVar("T")

_UNNAMED = "app"


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file of a package; `size` is in bytes, `target` is where a link leads."""

    path: str
    size: int | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A package. `images` are by service, `download_bytes` by platform: of all layers, each once.

    None: the package says nothing of it, as older formats do. `attached` is what its registry lists beside it, None
    where no registry was asked.
    """

    name: str | None
    digest: str
    kind: str
    bundle_bytes: int
    content_bytes: int | None
    files: tuple[ShownFile, ...] | None
    images: Mapping[str, str] | None
    download_bytes: Mapping[str, int] | None
    asks: tuple[str, ...]
    variables: tuple[str, ...]
    problems: tuple[str, ...]
    attached: tuple[Attached, ...] | None = None


def show(
    manifest: bytes, read: Callable[[Descriptor], bytes], *, attached: tuple[Attached, ...] | None = None
) -> Shown:
    """Return what there is to say of the package of a manifest; `read` gives a blob that it names.

    Raises:
        PackageUnreadable, PackageTooNew: it is no package, or shows another compose file than would be installed.
        MosaicError: what `read` raises.
    """
    package = package_reading.read(manifest)
    index = _read("file index", package.index, read, file_index.read)
    sizes = _read("layer sizes", package.layer_sizes, read, layer_sizes.read)
    if index is not None:
        package_reading.require_one_compose_file(package, index)
    compose = read(package.compose) if package.compose is not None else None
    checked = _checked(compose) if compose is not None else Checked(())
    return Shown(
        name=package.about.name,
        digest=digest_of(manifest),
        kind=package.kind.value,
        bundle_bytes=package.bundle.size,
        content_bytes=index.content_bytes if index is not None else None,
        files=_files(index) if index is not None else None,
        images=_images(compose) if compose is not None else None,
        download_bytes={name: sum(layer.archive_bytes for layer in one.layers.values()) for name, one in sizes.items()}
        if sizes is not None
        else None,
        asks=tuple(dict.fromkeys(ask.grant for ask in checked.asks)),
        variables=checked.variables,
        problems=tuple(map(str, checked.problems)),
        attached=attached,
    )


def _read(
    what: str, blob: Descriptor | None, read: Callable[[Descriptor], bytes], parse: Callable[[bytes], T]
) -> T | None:
    if blob is None:
        return None
    try:
        return parse(read(blob))
    except NotStrict as error:
        raise PackageUnreadable(f"its {what}: {error}") from None


def _files(index: file_index.FileIndex) -> tuple[ShownFile, ...]:
    plain = [ShownFile(path, size=one.size) for path, one in index.files.items()]
    links = [ShownFile(path, target=target) for path, target in index.links.items()]
    return tuple(sorted([*plain, *links], key=lambda one: one.path))


def _images(compose: bytes) -> dict[str, str]:
    return {each.service: each.image or "" for each in compose_text.images(compose)}


def _checked(compose: bytes) -> Checked:
    # As the folder of an app would be checked, of whatever name.
    with tempfile.TemporaryDirectory(prefix="mosaic-show-") as scratch:
        folder = Path(scratch) / _UNNAMED
        folder.mkdir()
        (folder / COMPOSE_FILE).write_bytes(compose)
        return check_app(folder)
