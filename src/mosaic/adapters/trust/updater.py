"""The library's client workflow, with the time that it judges by given to it, and a way to see a whole role."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Targets
from tuf.ngclient import Updater

from mosaic.adapters.trust.fetcher import BoundedFetcher


class ClockedUpdater(Updater):
    """One refresh, and the look-ups after it.

    The library has no argument for the time: it notes the machine's when it is
    made. Nothing is judged before `refresh`, so the time is put right in
    between. The attribute is read first: where a newer library has it no more,
    this fails and does not go on with the machine's time.
    """

    def __init__(  # the folder for targets is needed for the library's own downloads alone
        self,
        folder: Path,
        base: str,
        *,
        fetcher: BoundedFetcher,
        root: bytes,
        now_ns: int,
        target_folder: Path | None = None,
        target_base: str | None = None,
    ) -> None:
        targets = None if target_folder is None else str(target_folder)
        super().__init__(str(folder), base, targets, target_base, fetcher, bootstrap=root)
        if not isinstance(self._trusted_set.reference_time, datetime):
            raise TypeError("this version of tuf does not say which time it judges by")
        self._trusted_set.reference_time = datetime.fromtimestamp(now_ns // 10**9, UTC)

    def roles(self) -> Sequence[str]:
        """Return the roles that the targets role delegates to, after a refresh."""
        delegations = self._trusted_set.targets.delegations
        return [] if delegations is None or delegations.roles is None else list(delegations.roles)

    def delegated(self, role: str) -> Targets | None:
        """Return what a role says, verified and as new as the rest; None when nothing is delegated to it."""
        return self._load_targets(role, Targets.type) if role in self.roles() else None
