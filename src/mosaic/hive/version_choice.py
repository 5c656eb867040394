"""Which version an installation shall run next: the newest of its source, or one that is named.

Only what its source offers, and what it ran before, can be named: a Hive
that was asked for anything else would have to find it first.
"""

from dataclasses import dataclass, replace

from mosaic.adapters.sql import generations
from mosaic.adapters.sql.generations import Generation
from mosaic.adapters.sql.installations import Installation
from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import AppDigest
from mosaic.hive import offers
from mosaic.hive.approved import require_approved
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.catalog import AppUnknown, AppUnusable
from mosaic.hive.offers import Offer
from mosaic.hive.runtime import Hive
from mosaic.hive.sources import Choice
from mosaic.hive.updates import version_words
from mosaic.wire.approval import Approval

_SHORTEST = 8
_MOST_NAME = 80


class VersionUnknown(NotFound):
    """No version of this digest is offered, and the installation never ran it."""

    code = "version-unknown"

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(
            f"{name} has no version {wanted[:_MOST_NAME]!r}",
            hint=f"`mosaic update {name} --dry-run` says which one it could have, and"
            f" `mosaic rollback {name} --list` which ones it ran",
        )


class AlreadyRuns(Conflict):
    """The installation runs this very version."""

    code = "already-runs"

    def __init__(self, name: str, label: str, digest: AppDigest) -> None:
        super().__init__(
            f"{name} runs {version_words(label, digest)} already", hint=f"`mosaic show {name}` says how it is"
        )


class NoNewerVersion(Conflict):
    """What the installation came from has no other version than the one that it runs."""

    code = "no-newer-version"

    def __init__(self, name: str, label: str, digest: AppDigest) -> None:
        super().__init__(
            f"there is no newer version of {name}: it runs {version_words(label, digest)}",
            hint="`mosaic catalog list` shows what there is; what changes there is seen at once",
        )


class ApprovalMissing(Refused):
    """The owner approved the version that runs himself, and nobody vouches for the new one."""

    code = "approval-missing"

    def __init__(self, name: str, label: str, digest: AppDigest) -> None:
        super().__init__(
            f"nobody vouches for {version_words(label, digest)} of {name}, and you approved the one that it runs",
            hint=f"approve it with your passphrase, in a terminal: `mosaic update {name}`",
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """A version that could be run, and where it is. `found` is the installation as it was when it was chosen."""

    found: Installation
    offer: Offer
    choice: Choice

    @property
    def digest(self) -> AppDigest:
        """The version."""
        return self.offer.digest


async def choose(hive: Hive, found: Installation, wanted: str | None, approval: Approval | None = None) -> Chosen:
    """Return the version that is `wanted` (a digest, or its beginning), or the newest; with its compose file.

    Raises:
        VersionUnknown, AlreadyRuns, NoNewerVersion; AppUnknown, AppUnusable: its source has nothing that could be run.
        ApprovalWrong: `approval` is not the owner's.
    """
    if wanted is None:
        offer = await offers.newest(hive, found)
        if offer.digest == found.app_digest:
            raise NoNewerVersion(found.name, found.label, found.app_digest)
    else:
        offer = await _named(hive, found, wanted)
    if approval is not None:
        await hive.read(lambda tx: require_approved(tx, found.account, found.app, offer.digest, approval))
        offer = replace(offer, approval=approval.signature)
    choice = await offers.take(hive, found, offer.digest)
    if choice.digest != offer.digest:
        # It changed while it was looked at.
        raise VersionUnknown(found.name, offer.digest)
    return Chosen(found, offer, choice)


def require_vouched(chosen: Chosen) -> None:
    """Return when somebody vouches for it, or nobody had to for the present one. Raises ApprovalMissing."""
    offer = chosen.offer
    if chosen.found.approval is not None and offer.catalog is None and offer.approval is None:
        raise ApprovalMissing(chosen.found.name, offer.label, offer.digest)


async def _named(hive: Hive, found: Installation, wanted: str) -> Offer:
    begins = wanted if wanted.startswith("sha256:") else f"sha256:{wanted}"
    ran = await hive.read(lambda tx: generations.of(tx, found.id))
    known = {each.app_digest: _again(each) for each in reversed(ran)}
    try:
        offer = await offers.newest(hive, found)
        known[offer.digest] = offer
    except (AppUnknown, AppUnusable, BundleMissing):
        # What it ran before is here, whatever became of its source.
        pass
    meant = [each for digest, each in known.items() if digest.startswith(begins)]
    if len(meant) != 1 or len(begins) < len("sha256:") + _SHORTEST:
        if found.app_digest.startswith(begins) and len(begins) >= len("sha256:") + _SHORTEST:
            raise AlreadyRuns(found.name, found.label, found.app_digest)
        raise VersionUnknown(found.name, wanted)
    if meant[0].digest == found.app_digest:
        raise AlreadyRuns(found.name, found.label, found.app_digest)
    return meant[0]


def _again(ran: Generation) -> Offer:
    return Offer(ran.app_digest, ran.label, ran.catalog, ran.approval)
