"""Making one app's package from its folder, for a file: with registries, or from what is known without them.

Without registries an image is pinned by the app's lock file, or by what the
engine of this machine knows; what neither knows stays a name and is said to be
unpinned. Git is not needed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mosaic.adapters import oci_layout
from mosaic.adapters.bundle import AppUnpackable, stays_inside
from mosaic.adapters.private_file import write_private
from mosaic.core.app_name import RULE, is_app_name, nearest
from mosaic.core.image_platforms import Resolved
from mosaic.core.image_ref import ImageRef
from mosaic.core.oci_types import OCI_MANIFEST, Descriptor, Digest
from mosaic.core.package import About
from mosaic.core.pin_lock import LockUnusable, from_lock, to_lock
from mosaic.core.pinning import pin, pin_offline, references
from mosaic.packager.left_out import LOCK_FILE
from mosaic.packager.local_images import local_digests
from mosaic.packager.own_file import app_name, read_own, shown
from mosaic.packager.packing import Packed, pack, uses_of
from mosaic.packager.resolving import Resolver


@dataclass(frozen=True, slots=True)
class Wish:
    """What to build. `variables` are filled in where an image is named."""

    folder: Path
    engine: str
    variables: Mapping[str, str] = field(default_factory=dict)


def build_offline(wish: Wish, *, into: Path) -> Packed:
    """Make the package from what is known here; its bundle is written into the folder `into`.

    Raises:
        LockUnusable: the lock file is not one.
        PinningRefused: an image cannot be read, or differs from its lock.
        AppUnpackable, IgnoreRulesBad, ComposeInvalid, ImageShared: the folder cannot be packed.
    """
    name = _name_of(wish.folder)
    uses = uses_of(wish.folder)
    lock = read_lock(wish.folder)
    unknown = [one for one in references(uses, variables=wish.variables, own={}) if one not in lock]
    known = {**local_digests(wish.engine, unknown), **lock}
    pinned = pin_offline(uses, variables=wish.variables, lock=known)
    return pack(wish.folder, pinned, about=About(name), images={}, into=into)


def build_online(wish: Wish, resolver: Resolver, *, into: Path) -> Packed:
    """Make the package with what registries say, and write what they said into the app's lock file.

    Raises:
        PinningRefused, RegistriesSilent: with every problem.
        AppUnpackable, IgnoreRulesBad, ComposeInvalid, ImageShared: the folder cannot be packed.
    """
    name = _name_of(wish.folder)
    uses = uses_of(wish.folder)
    answers = resolver.ask(references(uses, variables=wish.variables, own={}))
    pinned = pin(uses, variables=wish.variables, own={}, answers=answers)
    packed = pack(wish.folder, pinned, about=About(name), images=resolver.images, into=into)
    lock = json.dumps(to_lock(answers), indent=2).encode() + b"\n"
    path = wish.folder / LOCK_FILE
    if not path.is_file() or path.read_bytes() != lock:
        write_private(path, lock)
    # It is for whoever has the folder, and an earlier build may have been killed before this line.
    path.chmod(0o644)
    return packed


def require_outside(file: Path, folder: Path) -> None:
    """Raise AppUnpackable when a file would be written into the app's folder, whose next package would hold it.

    Also when there is no folder to write it into.
    """
    if not file.parent.is_dir():
        raise AppUnpackable(f"{shown(str(file.parent))} is no folder", hint="name a file in a folder that is there")
    if stays_inside(file.parent, folder):
        raise AppUnpackable(
            f"{shown(str(file))} would lie in the app's own folder, and become part of the app",
            hint=f"write it beside the folder: `--output ../{shown(file.name)}`",
        )


def _name_of(folder: Path) -> str:
    name = app_name(folder)
    if not is_app_name(name):
        better = nearest(name)
        raise AppUnpackable(
            f"{shown(name)[:80]!r} cannot be an app's name",
            hint=f"rename the folder: {RULE}" + (f", for instance {better}" if better else ""),
        )
    return name


def read_lock(folder: Path) -> dict[ImageRef, Resolved]:
    """Return what the app's lock file says; nothing when there is none. Raises LockUnusable."""
    try:
        content = read_own(folder, LOCK_FILE)
    except AppUnpackable as error:
        raise LockUnusable(error.message) from None
    if content is None:
        return {}
    try:
        return from_lock(msgspec.json.decode(content))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LockUnusable(str(error)) from None


def write_file(packed: Packed, target: Path, *, scratch: Path) -> None:
    """Write the package as one file, for machines without a registry. `scratch` is an empty folder on its disk.

    It has no signed metadata: whoever imports it vouches for it.
    """
    (scratch / "trust").mkdir()
    paths: dict[str, Path] = {}
    for digest, content in {**packed.blobs, packed.digest: packed.manifest}.items():
        if isinstance(content, Path):
            paths[digest] = content
            continue
        paths[digest] = scratch / digest.replace(":", "-")
        paths[digest].write_bytes(content)
    manifest = Descriptor(OCI_MANIFEST, Digest(packed.digest), len(packed.manifest))
    oci_layout.write(
        target, manifests=[manifest], blobs=list(paths), path_of=paths.__getitem__, trust=scratch / "trust"
    )
