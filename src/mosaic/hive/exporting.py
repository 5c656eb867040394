"""An app in one file, for machines that reach no registry: its package, and what it is signed by.

That is the metadata of its catalog, from the root that the owner believes on,
or the owner's approval of an app of his own. Nothing is written here: the file
is sent while it is read. Whoever imports it believes none of it without checking.
"""

from collections.abc import Mapping

import msgspec

from mosaic.adapters import oci_layout
from mosaic.adapters.oci_layout import Outgoing
from mosaic.adapters.sql import accounts, catalogs
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.trust.public_files import METADATA
from mosaic.core import package_reading
from mosaic.core.descriptor_json import describe
from mosaic.core.errors import Refused
from mosaic.core.ids import AccountId, AppDigest
from mosaic.core.oci_types import OCI_MANIFEST
from mosaic.hive import carried_metadata, sources
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.runtime import Hive
from mosaic.hive.sources import CatalogChanged, Choice
from mosaic.wire.approval import Approval, SignedApp


class NobodySigned(Refused):
    """An app of a folder is signed by nobody, so nobody could believe its export."""

    code = "nobody-signed"

    def __init__(self, app: str) -> None:
        super().__init__(
            f"{app} is an app of a folder, which nobody signed",
            hint="import the folder as an app of your own first: `mosaic app import PATH`, and export that",
        )


class NotListedNow(Refused):
    """What is trusted of the catalog at this moment does not list the version."""

    code = "not-listed-now"

    def __init__(self, app: str, catalog: str) -> None:
        super().__init__(
            f"{catalog} does not list this version of {app} any more",
            hint=f"ask it for what is there now: `mosaic catalog refresh {catalog}`, and export that",
        )


async def export(hive: Hive, who: AccountId, app: str, device: str | None) -> Outgoing:
    """Return the file of an app of the catalog, in the version that an install on that Device would take.

    That a machine with the same root would believe it now is tried first.

    Raises:
        NobodySigned, NotListedNow; TrustRefused: what is kept is not believed any more: its time is over.
        MosaicError: what choosing and fetching it raise.
    """
    choice = await sources.choose(hive, who, app, device)
    if choice.approval is not None:
        return await _own(hive, who, choice, choice.approval)
    if choice.catalog is None:
        raise NobodySigned(app)
    await sources.keep(hive, choice)
    name = choice.catalog
    async with hive.catalogs.turn(who, name):
        kept = await hive.read(lambda tx: catalogs.get(tx, who, name))
        if kept is None:
            raise CatalogChanged(name)
        now_ns = hive.clock.wall_ns()
        files = await hive.in_thread(lambda: _believed(hive, kept, choice, now_ns))
    trust = {f"{METADATA}/{name}": content for name, content in files.items()}
    return await hive.in_thread(lambda: _gathered(hive, choice.digest, trust, None))


async def _own(hive: Hive, who: AccountId, choice: Choice, signature: str) -> Outgoing:
    account = await hive.read(lambda tx: accounts.get(tx, who))
    if account is None or account.keys is None:
        raise PassphraseMissing
    signed = SignedApp(who, choice.app, account.keys.owner_key, Approval(choice.digest, signature))
    return await hive.in_thread(lambda: _gathered(hive, choice.digest, {}, msgspec.json.encode(signed)))


def _believed(hive: Hive, catalog: KeptCatalog, choice: Choice, now_ns: int) -> Mapping[str, bytes]:
    """Return the catalog's metadata by file name, once a client of its own has believed it."""
    files = hive.catalogs.served(catalog).files
    with carried_metadata.served_from(files) as address:
        if not carried_metadata.lists(hive.catalogs, catalog, address, choice.digest, now_ns=now_ns):
            raise NotListedNow(choice.app, catalog.name)
    return files


def _gathered(hive: Hive, digest: AppDigest, trust: Mapping[str, bytes], approval: bytes | None) -> Outgoing:
    manifest = hive.bundles.get(digest)
    blobs = {digest, *(one.digest for one in package_reading.read(manifest).every)}
    described = describe(manifest, OCI_MANIFEST)
    return oci_layout.gather(
        manifests=[described], blobs=blobs, path_of=hive.bundles.path, trust=dict(trust), approval=approval
    )
