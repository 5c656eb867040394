"""Catalogs that are TUF repositories: what the Hive trusts of each, and what it knows of their apps.

    state/catalogs/<account>/<name>/trusted-<root>/   the TUF client's folder, named by the root that trust begins with
    state/catalogs/<account>/<name>/apps/<hex>        compose files of listed packages, by the manifest's digest

The Hive is a mirror here: whatever it lists, a Device checks again by the owner's signature and the same root.
A refresh that fails leaves all of it as it was. One refresh at a time: hold `turn` around it.
"""

import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.trust.public_files import METADATA
from mosaic.core.errors import Refused
from mosaic.core.expiry import Periods, freshness
from mosaic.core.ids import AccountId, AppDigest, DeviceId
from mosaic.core.target import Target, digest_of
from mosaic.core.target_choice import Taker
from mosaic.hive.waking import Waking
from mosaic.wire.approval import CatalogTrust
from mosaic.wire.packages import MAX_CATALOG_BYTES, CatalogServed

if TYPE_CHECKING:
    from mosaic.adapters.trust.trusted_targets import TrustedTargets

MOST_CATALOGS = 32
"""Of one account."""

NOBODY = Taker("", DeviceId(""))
"""Who refreshes and takes nothing: a Hive looks at all that is listed."""

_REFRESH_SECONDS = 30.0
_ROOT_LETTERS = 16
_SERVED = ".served-"


class CatalogTooLarge(Refused):
    """The metadata of a catalog is more than a Device takes."""

    code = "catalog-too-large"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the signed metadata of {name} has more than {MAX_CATALOG_BYTES // 2**20} MiB",
            hint="tell whoever publishes it; a repository of its own for each channel is smaller",
        )


@dataclass(frozen=True, slots=True)
class Offered:
    """An app of a catalog, in the version of one Target."""

    catalog: KeptCatalog
    target: Target
    app: str

    @property
    def digest(self) -> AppDigest:
        """Its package's."""
        return AppDigest(f"sha256:{digest_of(self.target.apps[self.app])}")

    @property
    def label(self) -> str:
        """What people call the version."""
        return label_of(self.target)


def label_of(target: Target) -> str:
    """Return what people call a version: its channel and its number."""
    return f"{target.channel} {target.version}"


def version_of(label: str) -> int | None:
    """Return the number in what people call a version; None for what is no catalog's."""
    number = label.rpartition(" ")[2]
    return int(number) if number.isascii() and number.isdigit() else None


def trust_of(catalog: KeptCatalog) -> CatalogTrust:
    """Return what the owner signed."""
    return CatalogTrust(catalog.name, catalog.channel, catalog.root_sha256, catalog.signature)


class Catalogs:
    """The catalogs of one Hive. Apart from `turn`, call it in a thread: it reads disks and asks repositories."""

    def __init__(self, folder: Path) -> None:
        self.due_ns: dict[tuple[AccountId, str], int] = {}
        """When each is refreshed next, by the Hive's clock since its start; one that is not in it has its turn now."""
        self.changed = Waking()
        """Woken when a catalog was added. This and `due_ns` are for the event loop."""
        self._folder = folder
        self._turns: dict[tuple[AccountId, str], anyio.Lock] = defaultdict(anyio.Lock)

    def turn(self, account: AccountId, name: str) -> anyio.Lock:
        """Return what is held while a catalog of the account is added, removed, refreshed or handed out."""
        return self._turns[account, name]

    def folder(self, account: AccountId, name: str) -> Path:
        """Return where all that is known of a catalog lies."""
        return self._folder / account / name

    def trusted(self, catalog: KeptCatalog) -> "TrustedTargets":
        """Return what is trusted of a catalog, from the root that its owner signed on."""
        # Imported here: TUF takes memory, and a Hive without such catalogs never asks.
        from mosaic.adapters.trust.trusted_targets import TrustedTargets

        return TrustedTargets(
            # What was trusted from another root must never lie among it: a Device would be handed both.
            self.folder(catalog.account, catalog.name) / f"trusted-{catalog.root_sha256[:_ROOT_LETTERS]}",
            root=catalog.root,
            base=catalog.url,
            channel=catalog.channel,
            deadline_seconds=_REFRESH_SECONDS,
        )

    def refresh(self, catalog: KeptCatalog, *, now_ns: int) -> None:
        """Ask its repository. Raises what `TrustedTargets.refresh` does; what was listed before stays then."""
        self.trusted(catalog).refresh(NOBODY, now_ns=now_ns)

    def listed(self, catalog: KeptCatalog) -> list[Target]:
        """Return every Target that the last whole refresh found, the newest first."""
        return self.trusted(catalog).listed()

    def standing(self, catalog: KeptCatalog, *, now_ns: int) -> tuple[int | None, list[str]]:
        """Return when the first of its signatures ends (ns; None: nothing was refreshed yet), and what to warn of."""
        expiries = self.trusted(catalog).expiries()
        if "timestamp" not in expiries:
            # The first root is there before anything was asked.
            return None, []
        periods, now = Periods(), now_ns // 10**9
        fresh = {
            role: freshness(expires_at=at, period=periods.of(role), now=now) for role, at in sorted(expiries.items())
        }
        words = {"expired": "has expired", "soon": "expires soon"}
        warnings = [f"its {role} {words[how]}" for role, how in fresh.items() if how in words]
        return min(expiries.values()) * 10**9, warnings

    def served(self, catalog: KeptCatalog) -> CatalogServed:
        """Return all that a Device needs to check the catalog itself.

        Raises:
            TrustFolderUnusable: nothing was refreshed yet, or the disk refuses.
            CatalogTooLarge: a Device would not take it.
        """
        folder = self.folder(catalog.account, catalog.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(f"{_SERVED}*"):
            # By a Hive that was killed here.
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=_SERVED) as made:
            self.trusted(catalog).write_served(Path(made) / "copy")
            files = {path.name: path.read_bytes() for path in (Path(made) / "copy" / METADATA).iterdir()}
        # As JSON has it: bytes in base64, and the names.
        if (
            sum(len(content) * 4 // 3 + len(name) + 16 for name, content in files.items())
            > MAX_CATALOG_BYTES * 15 // 16
        ):
            raise CatalogTooLarge(catalog.name)
        return CatalogServed(trust_of(catalog), catalog.root, files)

    def forget(self, account: AccountId, name: str) -> None:
        """Remove all that is known of a catalog. What was fetched for installations stays."""
        shutil.rmtree(self.folder(account, name), ignore_errors=True)
