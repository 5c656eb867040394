"""Which version of its app an installation runs, and how a wish for another one ends.

It ends with what its Device says of it, or with the first accepted head that
the new version wrote, whichever comes first. Called with the lease locked,
within the transaction that learnt of it, so that no crash and no lost message
can end a wish twice. What data says is stronger than what this database says:
where a head names the version that wrote it, that one is the installation's.
"""

from dataclasses import replace
from itertools import pairwise

from mosaic.adapters.sql import events, generations, heads, installations, updates, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import CUT_SHORT, Outcome, Update, end, open_one
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict
from mosaic.core.ids import AppDigest, HeadHash, InstallationId, VolumeId
from mosaic.wire import updating
from mosaic.wire.head import Head, parse
from mosaic.wire.report import InstallationReport
from mosaic.wire.storage import Failure
from mosaic.wire.updating import UpdateState

PINNED_GENERATIONS = 3
"""Of so many former generations the last snapshot stays, whatever retention keeps."""

_LONGEST_TEXT = 2000
_LONGEST_WORD = 200


class BeingUpdated(Conflict):
    """The installation is on its way to another version of its app."""

    code = "being-updated"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is being updated at the moment",
            hint=f"wait until it is over: `mosaic show {name}`; or call it off: `mosaic update {name} --cancel`",
        )


def require_none(tx: Tx, found: Installation) -> None:
    """Return when no wish is open. Raises BeingUpdated."""
    if open_one(tx, found.id) is not None:
        raise BeingUpdated(found.name)


def version_words(label: str, digest: str) -> str:
    """Return how a version is called in a sentence."""
    return label or f"version {digest.removeprefix('sha256:')[:12]}"


def assigned(tx: Tx, wish: Update) -> updating.Update:
    """Return the wish as the Device is told of it."""
    earlier = generations.of_version(tx, wish.installation, wish.app_digest)
    return updating.Update(
        id=wish.id,
        app_digest=wish.app_digest,
        gate_seconds=wish.gate_seconds,
        catalog=wish.catalog or "",
        approval=wish.approval or "",
        images=earlier.images if earlier is not None else {},
    )


def version_of(tx: Tx, known: Installation, digest: AppDigest) -> Installation:
    """Return the installation as it is with that version, as far as it ran that before: nothing vouches for others."""
    if digest == known.app_digest:
        return known
    earlier = generations.of_version(tx, known.id, digest)
    if earlier is None:
        return replace(known, app_digest=digest, approval=None, label="", images={})
    return replace(
        known,
        app_digest=digest,
        catalog=earlier.catalog,
        approval=earlier.approval,
        label=earlier.label,
        images=earlier.images,
    )


def hear(tx: Tx, installation: InstallationId, report: InstallationReport | None, *, epoch: Epoch, now_ns: int) -> None:
    """End the wish that the Device which should carry it out says is over.

    One that was called off ends as done when its version is what runs, under the present `epoch`: that Device was
    done before it heard of it, and data never goes back for a word that came too late.
    """
    said = report.update if report is not None else None
    known = installations.get(tx, installation)
    if known is None or report is None or said is None:
        return
    wish = updates.of_id(tx, installation, said.id)
    if wish is not None and wish.ended_ns is None:
        _hear_of_open(tx, known, wish, report, said, now_ns=now_ns)
        return
    if wish is None or wish.outcome == "done" or said.stage != "done":
        return
    # Before it has taken over the data it may tell of a time that another Device has ended.
    runs_it = report.app_digest == wish.app_digest and report.epoch == str(epoch)
    if runs_it and wish.app_digest != known.app_digest:
        _succeed(tx, known, wish, _newest_data(tx, known), images=report.images, now_ns=now_ns)


def _hear_of_open(
    tx: Tx, known: Installation, wish: Update, report: InstallationReport, said: UpdateState, *, now_ns: int
) -> None:
    if said.stage == "done":
        images = report.images if report.app_digest == wish.app_digest else {}
        _succeed(tx, known, wish, _newest_data(tx, known), images=images, now_ns=now_ns)
    elif said.stage == "failed":
        _fail(tx, known, wish, said, now_ns=now_ns)


def hear_head(tx: Tx, installation: InstallationId, head: Head, *, now_ns: int) -> None:
    """End the wish whose version wrote this newly accepted head, if it is the first one of that.

    Also one that was called off, and when there is a newer one: its Device was done before it heard of that.
    """
    known, digest = installations.get(tx, installation), _wrote(head)
    if known is None or digest is None or digest == known.app_digest:
        return
    wish = updates.not_done(tx, installation, digest)
    if wish is not None:
        _succeed(tx, known, wish, _last_before(tx, known, head), now_ns=now_ns)


def adopt_head(tx: Tx, installation: InstallationId, head: Head, *, now_ns: int) -> None:
    """Run the version that wrote this newly accepted head, also where no wish for it is known.

    This database may be an older copy, or another wish was taken after the one that its Device was done with.
    """
    hear_head(tx, installation, head, now_ns=now_ns)
    known, digest = installations.get(tx, installation), _wrote(head)
    # Other volumes' heads say nothing of when the data was written.
    if known is None or digest is None or digest == known.app_digest or head.volume != _data(tx, known):
        return
    wish = open_one(tx, installation)
    if wish is not None:
        end_cut_short(tx, known, wish, "another version runs already", now_ns=now_ns)
    run_version(tx, known, version_of(tx, known, digest), last_head=head.previous, now_ns=now_ns)


def left_its_device(tx: Tx, installation: InstallationId, *, now_ns: int) -> None:
    """The app was taken from its Device: the open wish is over, and it runs what the stored data was written by."""
    known, wish = installations.get(tx, installation), open_one(tx, installation)
    if known is None:
        return
    if wish is not None:
        end_cut_short(tx, known, wish, "its device went away while it was updated", now_ns=now_ns)
    data = _data(tx, known)
    found = heads.newest(tx, data) if data is not None else None
    wrote = _wrote(parse(found[1])[0]) if found is not None else None
    if wrote is not None and wrote != known.app_digest:
        # Its Device had said that it was done, and no snapshot of it came: there is none to go back to.
        run_version(tx, known, version_of(tx, known, wrote), last_head=None, now_ns=now_ns)


def end_cut_short(
    tx: Tx, known: Installation, wish: Update, why: str, *, now_ns: int, outcome: Outcome = "failed"
) -> None:
    """End a wish because something else came between, which says nothing of the version."""
    hint = f"ask for it again: `mosaic update {known.name}`"
    end(tx, wish, outcome, now_ns=now_ns, failure=Failure(CUT_SHORT, why, hint))
    text = f"{known.name} was not updated to {version_words(wish.label, wish.app_digest)}: {why}."
    events.add(tx, Happened(known.account, "update-failed", known.id, text), now_ns=now_ns)


def run_version(tx: Tx, known: Installation, after: Installation, *, last_head: HeadHash | None, now_ns: int) -> None:
    """Let the installation run another version, as a new generation. `last_head` is the former one's last snapshot."""
    installations.set_app(tx, after)
    generations.begin(tx, known, after, now_ns=now_ns, last_head=last_head)
    _pin(tx, known)


def _succeed(
    tx: Tx,
    known: Installation,
    wish: Update,
    last_head: HeadHash | None,
    *,
    now_ns: int,
    images: dict[str, str] | None = None,
) -> None:
    end(tx, wish, "done", now_ns=now_ns)
    after = replace(
        known,
        app_digest=wish.app_digest,
        catalog=wish.catalog,
        approval=wish.approval,
        label=wish.label,
        images=images or {},
    )
    run_version(tx, known, after, last_head=last_head, now_ns=now_ns)
    text = f"{known.name} was updated to {version_words(wish.label, wish.app_digest)}."
    events.add(tx, Happened(known.account, "updated", known.id, text), now_ns=now_ns)


def _fail(tx: Tx, known: Installation, wish: Update, said: UpdateState, *, now_ns: int) -> None:
    failure = _believable(said.failure)
    kept = said.kept.replace("\0", "")[:_LONGEST_WORD] if said.kept else None
    end(tx, wish, "failed", now_ns=now_ns, failure=failure, kept=kept)
    version = version_words(wish.label, wish.app_digest)
    text = f"{known.name} was not updated to {version} and is as it was: {failure.message}"
    events.add(tx, Happened(known.account, "update-failed", known.id, text), now_ns=now_ns)


def _believable(failure: Failure | None) -> Failure:
    """Return what a Device said as far as a database takes it."""
    if failure is None or not failure.message.replace("\0", "").strip():
        return Failure("update-failed", "the device did not say why", "`mosaic doctor` on it")
    code, message, hint = (text.replace("\0", "") for text in (failure.code, failure.message, failure.hint))
    # One that the Device gives itself would not be counted.
    code = "update-failed" if code == CUT_SHORT else code
    return Failure(code[:_LONGEST_WORD], message[:_LONGEST_TEXT], hint[:_LONGEST_TEXT])


def _pin(tx: Tx, known: Installation) -> None:
    """Keep the last snapshots of the newest former generations, and leave older ones to retention again.

    Only what nobody else pinned is pinned, and only pins that were given here are taken away.
    """
    volume = _data(tx, known)
    ran = generations.of(tx, known.id)
    if volume is None:
        return
    for at, (after, former) in enumerate(pairwise(ran)):
        head, name = former.last_head, f"before {version_words(after.label, after.app_digest)}"
        pinned = heads.pin_of(tx, volume, head) if head is not None else None
        if head is not None and at == 0 and pinned is None:
            heads.pin(tx, volume, head, name)
        elif head is not None and at >= PINNED_GENERATIONS and pinned == name:
            heads.pin(tx, volume, head, None)


def _last_before(tx: Tx, known: Installation, head: Head) -> HeadHash | None:
    data = _data(tx, known)
    return head.previous if head.volume == data else _newest_data(tx, known)


def _newest_data(tx: Tx, known: Installation) -> HeadHash | None:
    data = volumes.data_of(tx, known.id)
    return data.newest if data is not None else None


def _data(tx: Tx, known: Installation) -> VolumeId | None:
    data = volumes.data_of(tx, known.id)
    return data.id if data is not None else None


def _wrote(head: Head) -> AppDigest | None:
    return AppDigest(f"sha256:{head.app_digest.hex()}") if head.app_digest else None
