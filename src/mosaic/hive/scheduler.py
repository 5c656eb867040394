"""Carrying installations on: look at what was said, decide (`mosaic.core.failover`), write it down, tell the Devices.

Level-triggered. An installation is looked at when it or something said about
it changed, and again when its time is up; between that nothing runs. Each look
is one transaction with the lease's row locked, so a Hive that is killed
between any two lines goes on from the database and from what Devices say
again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mosaic.adapters import log
from mosaic.adapters.sql import devices, events, installations, placements, roll_calls, settings
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.core import failover, rewind
from mosaic.core.errors import MosaicError
from mosaic.core.ids import DeviceId, InstallationId
from mosaic.core.placement import Phase, Placement, is_parked
from mosaic.hive import leaving, succession, updates, wishes
from mosaic.hive.channel.assigning import sights
from mosaic.hive.channel.sights import Heard, highest
from mosaic.hive.roll_call import TERM
from mosaic.hive.runtime import Hive
from mosaic.hive.stories import told_by
from mosaic.wire.assignment import PortWish
from mosaic.wire.report import InstallationReport

_LOOK_AGAIN_NS = 15 * 10**9
_NEVER_SECONDS = 3600.0
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of one look: whom it concerns, when to look again (None: when something changes), and any step.

    `others` are the installations that were changed along with it, `removed` the Devices that nothing needed any more.
    """

    concerned: frozenset[DeviceId]
    again_ns: int | None
    changed: bool = False
    others: frozenset[InstallationId] = frozenset()
    removed: frozenset[DeviceId] = frozenset()


def begin_term(tx: Tx, salt: int) -> int:
    """Take a term that no earlier run of this Hive can have used, and suspend all leases until their holders ask again.

    Whatever was granted by a run that this database does not remember is then below every later grant (G1).
    """
    stored = settings.get(tx, TERM)
    term = rewind.fresh_term([int(stored or 0), placements.highest_term(tx)], salt)
    settings.put(tx, TERM, str(term))
    for installation in installations.every(tx):
        before = placements.lock(tx, installation)
        if before is not None:
            placements.save(tx, installation, before, replace(before, lease=rewind.suspend(before.lease)))
    return term


async def run(hive: Hive) -> None:
    """Carry on what is due, for ever."""
    due: dict[InstallationId, int] = dict.fromkeys(await hive.read(installations.every), 0)
    while True:
        seen = hive.work.seen
        for installation in hive.take_work():
            due[installation] = 0
        now_ns = hive.clock.wall_ns()
        for installation in [each for each, at_ns in due.items() if at_ns <= now_ns]:
            del due[installation]
            again_ns = await _carry_on(hive, installation)
            if again_ns is not None:
                due[installation] = again_ns
        await hive.work.wait(seen, seconds=_seconds_until(due, hive.clock.wall_ns()))


def _seconds_until(due: Mapping[InstallationId, int], now_ns: int) -> float:
    return min([max(0.0, (at_ns - now_ns) / 1e9) for at_ns in due.values()], default=_NEVER_SECONDS)


async def _carry_on(hive: Hive, installation: InstallationId) -> int | None:
    heard = hive.connections.heard()
    now_ns = hive.clock.wall_ns()
    try:
        looked = await hive.write(
            lambda tx: look(tx, installation, heard, now_ns=now_ns, term=hive.term), worth="never"
        )
    except MosaicError as error:
        # The database did not answer; what is due stays due.
        log.warning("look_failed", installation=installation, code=error.code, reason=error.message)
        return now_ns + int(_RETRY_SECONDS * 1e9)
    if looked.changed:
        hive.unsaved.note(now_ns, "soon")
    await leaving.forget(hive, looked.removed)
    hive.carry_on(looked.others)
    hive.connections.wake(set(looked.concerned))
    return looked.again_ns


def look(tx: Tx, installation: InstallationId, heard: Mapping[DeviceId, Heard], *, now_ns: int, term: int) -> Looked:
    """Take every step that is due for one installation, in this transaction. Looking again changes nothing."""
    before = placements.lock(tx, installation)
    known = installations.get(tx, installation)
    # In a roll call nothing is known for sure, least of all that an app should leave a Device.
    if before is None or known is None or roll_calls.is_on(tx):
        return Looked(frozenset(), None)
    reports = sights(before, installation, heard)
    behind = _is_behind(tx, known, before, heard)
    advanced = failover.advance(before, reports, now_ns, term=term, frozen=behind)
    after = advanced.placement
    if after != before:
        placements.save(tx, installation, before, after)
    said_at_home = _home_report(after, installation, heard)
    # First: `known` is as it was before the version may change.
    _remember(tx, known, said_at_home)
    if after.home != before.home:
        updates.left_its_device(tx, installation, now_ns=now_ns)
    updates.hear(tx, installation, said_at_home, epoch=after.lease.epoch, now_ns=now_ns)
    said = heard.get(after.home)
    wishes.hear(tx, known, said.report if said else None, now_ns=now_ns)
    reasons = {device: report.problem for device, report in reports.items() if report.problem}
    for kind, text in told_by(known.name, before, after, _device_names(tx, before, after), reasons):
        if kind == "move-failed":
            installations.remember_failure(tx, installation, text)
        events.add(tx, Happened(known.account, kind, installation, text), now_ns=now_ns, by="scheduler")
    others = succession.carry_on(tx, installation, now_ns=now_ns)
    concerned = {before.home, after.home, before.other, after.other, *advanced.goals, *reports} - {None}
    devices_concerned = frozenset(device for device in concerned if device)
    gone = leaving.carry_on(tx, heard, now_ns=now_ns)
    changed = after != before or bool(others or gone.moved or gone.removed)
    return Looked(devices_concerned, _again_ns(after, now_ns), changed, others | gone.moved, gone.removed)


def _is_behind(tx: Tx, known: Installation, placement: Placement, heard: Mapping[DeviceId, Heard]) -> bool:
    """Whether a Device knows of a grant that this database does not: then nothing is granted (design 7)."""
    said = {device: highest(each, known.id) for device, each in heard.items()}
    later = {device for device, epoch in said.items() if epoch is not None and epoch > placement.lease.epoch}
    # Asked only in the rare case. The word of one that is not admitted, or another account's, stops nobody.
    return bool(later) and any(
        each.id in later and each.admission is not None for each in devices.of_account(tx, known.account)
    )


def _home_report(
    placement: Placement, installation: InstallationId, heard: Mapping[DeviceId, Heard]
) -> InstallationReport | None:
    said = heard.get(placement.home)
    if said is None:
        return None
    return next((each for each in said.report.installations if each.installation == installation), None)


def _remember(tx: Tx, known: Installation, report: InstallationReport | None) -> None:
    """Keep the pins and ports that the holder found, so that the next holder uses the same."""
    if report is None or report.epoch is None:
        return
    # What it said of another version, the one before an update, are not this one's.
    if report.images and not known.images and report.app_digest in (None, known.app_digest):
        installations.remember_images(tx, known.id, report.images)
    ports = [PortWish(each.service, each.container_port, each.protocol, each.host_port) for each in report.ports]
    if ports and ports != known.ports:
        installations.remember_ports(tx, known.id, ports)


def _device_names(tx: Tx, before: Placement, after: Placement) -> dict[DeviceId, str]:
    named = {}
    for device in {before.home, after.home, before.other, after.other}:
        found = devices.get(tx, device) if device else None
        if found is not None:
            named[found.id] = found.name
    return named


def _again_ns(placement: Placement, now_ns: int) -> int | None:
    match placement.phase:
        case Phase.SETTLED | Phase.CONFIRMING:
            return None
        case Phase.TRASHED:
            ends_ns = placement.since_ns + failover.TRASH_NS
            return ends_ns if ends_ns > now_ns else None
        case Phase.DRAINING if is_parked(placement) and placement.lease.released:
            return None
        case Phase.PREPARING | Phase.DRAINING | Phase.ARRIVING:
            return now_ns + _LOOK_AGAIN_NS
