"""Putting the whole picture together for the Hive."""

from collections.abc import Mapping

from mosaic import __version__
from mosaic.core.errors import MosaicError
from mosaic.device.describe import Reach, Work, installation_report, volume_reports
from mosaic.device.failure import failure_of
from mosaic.device.lookout import Sight
from mosaic.device.machine import machine_state
from mosaic.device.means import Means
from mosaic.device.public_way import token_hashes
from mosaic.wire.lan import LanState
from mosaic.wire.report import InstallationReport, Report


def report(
    means: Means,
    works: list[Work],
    *,
    revision: int,
    engine_version: str | None,
    front_port: int | None,
    lan: LanState,
    names: Mapping[str, str],
    problem: MosaicError | None,
) -> Report:
    """Return the report of now. Before the first look it has no installations. `names` are the apps' on the network."""
    sight = means.lookout.latest
    seen = _installations(means, works, sight, Reach(front_port, lan.https_port, lan.addresses, names))
    return Report(
        at_ns=means.clock.wall_ns(),
        assignments_revision=revision,
        version=__version__ if means.config.upgrades or means.records.device.upgrades else "",
        engine_version=engine_version,
        machine=machine_state(means.config.state),
        pool=sight.state.pool if sight else None,
        installations=seen,
        volumes=volume_reports(sight, {each.installation for each in seen}) if sight else [],
        highest=means.records.highest,
        problem=failure_of(problem) if problem else None,
        hardware=means.config.hardware,
        group=means.config.group or "",
        upgrade=means.records.device.upgrade,
        link_tokens=token_hashes(means, [work.item for work in works if work.item is not None]),
        lan=lan,
    )


def _installations(means: Means, works: list[Work], sight: Sight | None, reach: Reach) -> list[InstallationReport]:
    if sight is None:
        return []
    return [
        installation_report(
            work,
            sight,
            means.records.notes_of(work.installation),
            reach=reach,
            update=means.records.update_of(work.installation),
            unheard=means.records.unheard(work.installation),
        )
        for work in sorted(works, key=lambda work: work.installation)
    ]
