"""Who vouches for an app here: the Device believes its Hive that an app is wanted, and never what it is.

Decision 42. For the name of an app and the digest of its package one of these must hold: the owner approved it;
a folder that was named when this Device was started packs to it; the local data was written by it; or the owner's
catalog lists it for this Device. What was found once is noted, and not asked again.
"""

from pathlib import Path

import msgspec

from mosaic.adapters import bundle, log
from mosaic.adapters.bundle import AppUnpackable
from mosaic.core.errors import MosaicError, Refused
from mosaic.crypto.approvals import is_approved
from mosaic.device.means import Means
from mosaic.device.observe import volumes_of
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment


class NotVouched(Refused):
    """Nobody whom the Device believes says that this version of the app may run."""

    code = "not-vouched"

    def __init__(self, item: Assignment, reasons: list[str]) -> None:
        super().__init__(
            f"nobody vouches for {item.app} {item.app_digest[:19]}…, so it is not started: {'; '.join(reasons)}",
            hint=f"if it is what you want, approve it: `mosaic policy {item.name} --approve` (or `--approve` at its "
            "install); or start this Device with `mosaic device run --trust-apps FOLDER`, which has its folder",
        )


async def require(means: Means, item: Assignment) -> None:
    """Return when somebody vouches for the assignment's app and digest, and note who.

    For another version than the assignment's, give the assignment with that one's digest, catalog and approval.

    Raises:
        NotVouched: nobody does. It says who was asked.
        CatalogNotTrusted, TrustRefused: its catalog is not what the owner signed, or what TUF would believe.
        Unavailable: who could vouch does not answer.
    """
    if means.records.voucher_of(item.app, item.app_digest) is not None:
        return
    reasons: list[str] = []
    by = _approval(means, item, reasons) or await _folder(means, item, reasons) or await _data(means, item, reasons)
    by = by or await _catalog(means, item, reasons)
    if by is None:
        raise NotVouched(item, reasons)
    log.info("app_vouched", app=item.app, digest=item.app_digest, by=by)
    means.records.note_voucher(item.app, item.app_digest, by)


async def is_vouched(means: Means, item: Assignment, digest: str) -> bool:
    """Whether somebody vouches for a digest under the assignment's name, as far as can be said now."""
    try:
        await require(means, msgspec.structs.replace(item, app_digest=digest))
    except MosaicError as error:
        log.info("app_not_vouched", app=item.app, digest=digest, code=error.code, reason=error.message)
        return False
    return True


def _approval(means: Means, item: Assignment, reasons: list[str]) -> str | None:
    owner = means.owner
    if not item.approval:
        reasons.append("its owner's approval did not come with it")
    elif is_approved(item.approval, owner_key=owner.key, account=owner.account, app=item.app, digest=item.app_digest):
        return "approval"
    else:
        reasons.append("the approval that came with it is not its owner's, or of another version")
    return None


async def _folder(means: Means, item: Assignment, reasons: list[str]) -> str | None:
    for folder in means.config.trusted:
        if await ask(_packs_to, folder / item.app, item.app_digest):
            return f"folder {folder}"
    if means.config.trusted:
        reasons.append(f"no folder that this Device trusts has it ({', '.join(map(str, means.config.trusted))})")
    else:
        reasons.append("this Device was told to trust no folder")
    return None


async def _data(means: Means, item: Assignment, reasons: list[str]) -> str | None:
    sight = await means.lookout.look()
    # A fork has no head of its own at first; then its origin's counts.
    data = [seen for seen in volumes_of(sight, item.installation) if seen.kind == "data" and seen.app_digest]
    if any(seen.app_digest == item.app_digest for seen in data):
        return "data"
    reasons.append("its data here was written by another version" if data else "it has no data here")
    return None


async def _catalog(means: Means, item: Assignment, reasons: list[str]) -> str | None:
    if not item.catalog:
        reasons.append("it comes from no catalog")
        return None
    manifest = await ask(_manifest, means, item.app_digest)
    catalogs, served = means.packages.catalogs, means.hive().catalog
    uri = await ask(catalogs.uri, item.catalog, item.app, item.app_digest, served, manifest=manifest)
    if uri is None:
        reasons.append(f"the catalog {item.catalog} does not list it for {catalogs.hardware}, or not for this Device")
        return None
    return f"catalog {item.catalog}"


def _manifest(means: Means, digest: str) -> bytes | None:
    blobs = means.packages.store.blobs
    return blobs.path(digest).read_bytes() if blobs.is_whole(digest) else None


def _packs_to(folder: Path, digest: str) -> bool:
    try:
        return folder.is_dir() and bundle.digest(bundle.pack(folder)) == digest
    except (AppUnpackable, OSError):
        return False
