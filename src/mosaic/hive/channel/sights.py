"""What a Device's report says about one installation, as the decisions in core need it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mosaic.core import epoch as epochs
from mosaic.core.epoch import Epoch
from mosaic.core.failover import Report as Seen
from mosaic.core.ids import HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import Lease
from mosaic.wire.heartbeat import Heartbeat, said_again
from mosaic.wire.report import InstallationReport, Report, VolumeReport

MOST = 2**62
"""Beyond every number that a Hive or a Device counted up to."""

_LONGEST_PROBLEM = 2000


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest report of a Device's newest session since the Hive started.

    `answers` maps each installation to the revision of its placement that the
    Device had been told when it reported. `digest` is what heartbeats call the report; "" when they do not.
    `boot_ns` is when by the clock that never jumps, by which its age is told.
    """

    session: SessionId
    at_ns: int
    report: Report
    answers: Mapping[InstallationId, int]
    digest: str = ""
    boot_ns: int | None = None


def heard_again(
    before: Heard | None, session: SessionId, beat: Heartbeat, *, now_ns: int, boot_ns: int | None = None
) -> Heard | None:
    """Return what was heard by a heartbeat; None when the report that it names is not known here."""
    if before is None or before.session != session or not beat.digest or before.digest != beat.digest:
        return None
    return replace(before, at_ns=now_ns, boot_ns=boot_ns, report=said_again(before.report, beat))


def mentioned(report: Report) -> set[InstallationId]:
    """Return the installations that the Device runs or has data of."""
    named = {InstallationId(seen.installation) for seen in report.installations}
    return named | {InstallationId(volume.installation) for volume in report.volumes if volume.installation}


def seen(heard: Heard, installation: InstallationId, lease: Lease) -> Seen:
    """Return what the Device said about the installation; that it has nothing of it, if it said nothing."""
    told = next((each for each in heard.report.installations if each.installation == installation), None)
    volumes = [volume for volume in heard.report.volumes if volume.installation == installation]
    answers = heard.answers.get(installation, -1)
    if told is None:
        return Seen(heard.session, heard.at_ns, answers=answers, keeps_data=bool(volumes))
    epoch = read_epoch(told.epoch)
    return Seen(
        session=heard.session,
        at_ns=heard.at_ns,
        answers=answers,
        prepared=told.phase == "prepared",
        problem=_problem(told),
        epoch=epoch,
        ready=_ready(told, volumes, lease, epoch),
        healthy=told.healthy and told.phase == "running",
        released=told.phase == "released",
        heads={VolumeId(each.volume): _head(each) for each in volumes if _is_left_behind(each, lease, epoch)},
        keeps_data=bool(volumes) and told.phase != "dropped",
    )


def read_epoch(text: str | None) -> Epoch | None:
    """Return the epoch, None when there is none or it is not one."""
    if text is None:
        return None
    try:
        return epochs.parse(text)
    except ValueError:
        return None


def is_sensible(epoch: Epoch) -> bool:
    """Tell whether a Hive can have granted it: a database could not hold a larger one."""
    return max(epoch.term, epoch.n) < MOST


def highest(heard: Heard, installation: InstallationId) -> Epoch | None:
    """Return the highest epoch of the installation that the Device ever saw, if any Hive can have granted it."""
    epoch = read_epoch(heard.report.highest.get(installation))
    return epoch if epoch is not None and is_sensible(epoch) else None


def _problem(told: InstallationReport) -> str | None:
    """A failure counts once the Device gave up on this attempt; one on its way to the next try does not."""
    if told.phase != "failed":
        return None
    why = told.problem.message.replace("\0", "")[:_LONGEST_PROBLEM] if told.problem else ""
    return why or "the device gave up without saying why"


def _ready(told: InstallationReport, volumes: list[VolumeReport], lease: Lease, epoch: Epoch | None) -> bool:
    if told.phase not in ("running", "stopped") or epoch is None or not lease.newest:
        return False
    held = {VolumeId(each.volume) for each in volumes if read_epoch(each.epoch) == epoch}
    return held >= set(lease.newest)


def _is_left_behind(volume: VolumeReport, lease: Lease, epoch: Epoch | None) -> bool:
    """Whether this is what the lease's holder leaves behind; naming data of another epoch would refuse the release.

    A volume that was given back is held under no epoch any more: its head says whether it is the newest.
    """
    if volume.epoch is not None:
        return read_epoch(volume.epoch) == epoch
    newest = lease.newest.get(VolumeId(volume.volume))
    return newest is not None and newest.hash == volume.local_head


def _head(volume: VolumeReport) -> HeadHash | None:
    return HeadHash(volume.local_head) if volume.local_head else None
