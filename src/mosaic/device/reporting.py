"""Putting the whole picture together for the Hive."""

from mosaic import __version__
from mosaic.core.errors import MosaicError
from mosaic.device.describe import Work, installation_report, volume_reports
from mosaic.device.failure import failure_of
from mosaic.device.lookout import Sight
from mosaic.device.machine import machine_state
from mosaic.device.means import Means
from mosaic.wire.report import InstallationReport, Report


def report(
    means: Means,
    works: list[Work],
    *,
    revision: int,
    engine_version: str | None,
    front_port: int | None,
    problem: MosaicError | None,
) -> Report:
    """Return the report of now. Before the first look it has no installations."""
    sight = means.lookout.latest
    seen = _installations(means, works, sight, front_port)
    return Report(
        at_ns=means.clock.wall_ns(),
        assignments_revision=revision,
        version=__version__,
        engine_version=engine_version,
        machine=machine_state(means.config.state),
        pool=sight.state.pool if sight else None,
        installations=seen,
        volumes=volume_reports(sight, {each.installation for each in seen}) if sight else [],
        highest=means.records.highest,
        problem=failure_of(problem) if problem else None,
    )


def reads_alike(one: Report | None, other: Report) -> bool:
    """Whether two reports differ in nothing but the time and the machine's load."""
    if one is None:
        return False
    return (one.assignments_revision, one.installations, one.volumes, one.problem, one.pool is None) == (
        other.assignments_revision,
        other.installations,
        other.volumes,
        other.problem,
        other.pool is None,
    )


def _installations(
    means: Means, works: list[Work], sight: Sight | None, front_port: int | None
) -> list[InstallationReport]:
    if sight is None:
        return []
    return [
        installation_report(work, sight, means.records.notes_of(work.installation), front_port=front_port)
        for work in sorted(works, key=lambda work: work.installation)
    ]
