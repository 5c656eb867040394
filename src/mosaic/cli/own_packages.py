"""Apps that an owner imports: packed from a folder or read from a file, signed where nobody did, sent to the Hive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.adapters.oci_layout import ExportUnusable, Imported
from mosaic.adapters.trust.public_files import METADATA
from mosaic.core.oci_types import Descriptor
from mosaic.core.pin_problems import RegistriesSilent
from mosaic.crypto import approvals
from mosaic.hive import names
from mosaic.packager.building import Wish, build_offline, build_online
from mosaic.packager.packing import Packed
from mosaic.packager.resolving import Resolver
from mosaic.packager.showing import Shown, show
from mosaic.wire.api import CatalogApp
from mosaic.wire.approval import Approval, SignedApp
from mosaic.wire.versions import CarriedApp, OwnApp


@dataclass(frozen=True, slots=True)
class OwnPackage:
    """A package that may become an app of the owner's own. `blobs` are what its manifest names, by digest.

    `unpinned` are services whose image is a name still; `signed` is what its file says of who signed it, `metadata`
    what a catalog signed, by file name.
    """

    name: str
    digest: str
    manifest: bytes
    blobs: Mapping[str, Path | bytes]
    unpinned: tuple[str, ...] = ()
    signed: SignedApp | None = None
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    def shown(self) -> Shown:
        """Return what there is to say of it. Raises PackageUnreadable, PackageTooNew."""
        return show(self.manifest, self._read)

    def _read(self, blob: Descriptor) -> bytes:
        content = self.blobs[blob.digest]
        return content.read_bytes() if isinstance(content, Path) else content


def from_folder(wish: Wish, resolver: Resolver | None, *, into: Path) -> OwnPackage:
    """Pack a folder: as registries say, or where they are silent or not to be asked, as this machine knows.

    Raises what `build_online` and `build_offline` do.
    """
    if resolver is not None:
        try:
            return _packed(build_online(wish, resolver, into=into))
        except RegistriesSilent:
            # What they do not say is a reason to leave a name unpinned, not to keep an owner from his own app.
            pass
    return _packed(build_offline(wish, into=into))


def from_file(imported: Imported) -> OwnPackage:
    """Return the package of an export. Raises ExportUnusable."""
    digest = imported.app.digest
    signed = None
    if imported.approval is not None:
        try:
            signed = msgspec.json.decode(imported.approval, type=SignedApp)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ExportUnusable("what it says of who signed it cannot be read") from None
    blobs: dict[str, Path | bytes] = {one.digest: imported.blob(one.digest) for one in imported.manifest.every}
    name = signed.app if signed is not None else imported.manifest.about.name or ""
    files = imported.trust / METADATA
    metadata = {path.name: path.read_bytes() for path in files.iterdir()} if files.is_dir() else {}
    return OwnPackage(name, digest, imported.blob(digest).read_bytes(), blobs, signed=signed, metadata=metadata)


def signature_in(found: OwnPackage, *, account: str, owner_key: str, name: str) -> Approval | None:
    """Return the signature that a file brings, when it is this owner's over this app under this name."""
    if found.signed is None or found.signed.approval.digest != found.digest:
        return None
    signature = found.signed.approval.signature
    is_ours = approvals.is_approved(signature, owner_key=owner_key, account=account, app=name, digest=found.digest)
    return found.signed.approval if is_ours else None


def send(hive: HiveClient, found: OwnPackage, name: str, approval: Approval) -> CatalogApp:
    """Send the parts, and then what names and signs them. Nothing is listed before the end; sending again is fine."""
    _send_parts(hive, found, name)
    return hive.send("PUT", f"/api/own-apps/{segment(name)}", OwnApp(found.manifest, approval), CatalogApp)


def send_carried(hive: HiveClient, found: OwnPackage) -> list[CatalogApp]:
    """Send an app that a catalog signed, with the metadata that says so; return the catalog's entries of it."""
    name = names.fold(found.name) or "app"
    _send_parts(hive, found, name)
    told = CarriedApp(found.manifest, dict(found.metadata))
    return hive.send("PUT", f"/api/carried-apps/{segment(name)}", told, list[CatalogApp])


def _send_parts(hive: HiveClient, found: OwnPackage, name: str) -> None:
    for digest, content in found.blobs.items():
        hive.upload(f"/api/own-apps/{segment(name)}/blobs/{segment(digest)}", content)


def _packed(package: Packed) -> OwnPackage:
    unpinned = tuple(use.service for use in package.unpinned)
    return OwnPackage(package.name, package.digest, package.manifest, package.blobs, unpinned)
