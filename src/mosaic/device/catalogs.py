"""What a Device believes of catalogs: signed Targets that its Hive hands on, from a root that its owner signed.

The Hive is a mirror, as TUF means them: it can hold back, and change nothing. What was believed of each
catalog is kept in a folder of its own, by name and root, so that nobody leads it back to something older.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters.written_tree import remove
from mosaic.core.errors import Corrupt, Refused
from mosaic.core.ids import DeviceId
from mosaic.core.target import digest_of
from mosaic.core.target_choice import Taker, takes
from mosaic.crypto.approvals import is_trusted
from mosaic.wire.packages import CatalogServed

if TYPE_CHECKING:
    from mosaic.adapters.trust.trusted_targets import TrustedTargets

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.json", re.ASCII)
_ROOT_LETTERS = 16

Served = Callable[[str], CatalogServed]
"""Asks the Hive for a catalog by its name."""


class CatalogNotTrusted(Refused):
    """The Hive hands out a catalog, or a root of it, that the owner did not sign."""

    code = "catalog-not-trusted"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the catalog {name} is not believed: {reason}",
            hint="nothing of it was started; somebody may have changed it on the Hive. Its owner can add it again",
        )


class CatalogUnusable(Corrupt):
    """What the Hive hands out as a catalog cannot be one."""

    code = "catalog-unusable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"what the Hive sent as the catalog {name!a} cannot be used: {reason}",
            hint="nothing of it was believed, and it is asked for again; are Hive and Device of one version?",
        )


class Catalogs:
    """All catalogs of one Device. Threads may share it: one of them asks at a time."""

    def __init__(self, folder: Path, *, account: str, owner_key: str, taker: Taker, now_ns: Callable[[], int]) -> None:
        """`folder` is where is kept what was believed; `now_ns` is the time by which signatures end."""
        self._folder = folder
        self._account = account
        self._owner_key = owner_key
        self._taker = taker
        self._now_ns = now_ns
        self._lock = threading.Lock()

    @property
    def hardware(self) -> str:
        """For which kind of machine Targets are taken here."""
        return self._taker.hardware

    def uri(self, name: str, app: str, digest: str, served: Served, *, manifest: bytes | None = None) -> str | None:
        """Return where a package is, when the catalog lists it for this Device under this name; None when it does not.

        The Hive is asked, and believed nothing. `manifest` is checked too, where it is here.

        Raises:
            CatalogNotTrusted: the owner did not sign that catalog with that root.
            TrustRefused, RepositoryUnavailable, ChannelMissing, TargetUnreadable: as TUF says; what was believed stays.
            CatalogUnusable, TrustFolderUnusable: no catalog, or no room for it.
            MosaicError: what the Hive says.
        """
        if not _NAME.fullmatch(name):
            raise CatalogUnusable(name[:80], "that is no catalog's name")
        with self._lock:
            trusted = self._refreshed(name, served(name))
            for target in trusted.listed():
                uri = target.apps.get(app)
                if uri is None or f"sha256:{digest_of(uri)}" != digest or target.hardware != self._taker.hardware:
                    continue
                if takes(target, DeviceId(self._taker.device), self._taker.group):
                    # Its manifest must be a signed target itself, and not only be named by one.
                    trusted.manifest_bytes(target, app)
                    if manifest is not None:
                        trusted.check_manifest(target, app, manifest)
                    return uri
            return None

    def _refreshed(self, name: str, told: CatalogServed) -> "TrustedTargets":
        # Imported here: TUF and what it needs are a third of a Device's memory, and most never ask.
        from mosaic.adapters.trust.trusted_targets import TrustedTargets

        self._require_signed(name, told)
        scratch = self._folder / ".served"
        kept = self._folder / f"{name}-{told.trust.root_sha256[:_ROOT_LETTERS]}"
        try:
            _write(scratch, name, told)
            trusted = TrustedTargets(kept, root=told.root, base=scratch.absolute().as_uri(), channel=told.trust.channel)
            trusted.refresh(self._taker, now_ns=self._now_ns())
        except OSError as error:
            raise CatalogUnusable(name, error.strerror or type(error).__name__) from error
        finally:
            remove(scratch)
        return trusted

    def _require_signed(self, name: str, told: CatalogServed) -> None:
        if told.trust.name != name:
            raise CatalogNotTrusted(name, f"the Hive sent {told.trust.name[:80]!a} in its place")
        if not is_trusted(told.trust, owner_key=self._owner_key, account=self._account):
            raise CatalogNotTrusted(name, "its name, channel and first root are not signed by this account's owner")
        if hashlib.sha256(told.root).hexdigest() != told.trust.root_sha256:
            raise CatalogNotTrusted(name, "the root that the Hive sent is not the one that the owner signed")


def _write(scratch: Path, name: str, told: CatalogServed) -> None:
    """Write the metadata as a repository serves it. Names are checked: they become paths."""
    wrong = next((file for file in told.files if not _FILE.fullmatch(file)), None)
    if wrong is not None:
        raise CatalogUnusable(name, f"{wrong[:80]!a} is no file of metadata")
    remove(scratch)
    (scratch / "metadata").mkdir(parents=True)
    for file, content in told.files.items():
        (scratch / "metadata" / file).write_bytes(content)
