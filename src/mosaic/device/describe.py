"""Saying how an installation is here, as a report carries it. Looks at nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mosaic.adapters.docker.sights import Container
from mosaic.core import steps as core
from mosaic.core.errors import MosaicError
from mosaic.core.reconcile import has_left
from mosaic.device.describe_update import is_amid, update_state
from mosaic.device.failure import failure_of
from mosaic.device.lookout import Sight
from mosaic.device.observe import containers_of, desired, is_running, is_well, observed, service_sights, volumes_of
from mosaic.device.records import Notes
from mosaic.device.update_notes import UpdateNote
from mosaic.wire.assignment import Assignment
from mosaic.wire.report import InstallationPhase, InstallationReport, PortBinding, ServiceState, Step, VolumeReport
from mosaic.wire.storage import ReplicaState, VolumeState

_AT_WORK: dict[type[core.Step], InstallationPhase] = {
    core.FetchBundle: "fetching",
    core.CheckApp: "fetching",
    core.PullImages: "fetching",
    core.MakeKeys: "fetching",
    core.Prefetch: "preparing",
    core.HoldVolumes: "restoring",
    core.WaitForVolumes: "restoring",
    core.SavePresent: "replicating",
    core.GoBack: "restoring",
    core.StartApp: "starting",
    core.StopApp: "stopping",
    core.FinalSnapshot: "replicating",
    core.ReleaseVolumes: "replicating",
    core.SetAside: "stopping",
    core.FetchUpdate: "fetching",
    core.CheckUpdate: "fetching",
    core.PullUpdate: "fetching",
    core.SaveAhead: "replicating",
    core.SaveForTrial: "replicating",
    core.BeginTrial: "replicating",
    core.TryUpdate: "starting",
    core.UndoTrial: "restoring",
}


@dataclass(frozen=True, slots=True)
class Work:
    """How the work on one installation is: its assignment, the step under way, and what went wrong last."""

    installation: str
    item: Assignment | None
    step: core.Step | None
    idle: bool
    problem: MosaicError | None
    failed: bool
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class Reach:
    """Where apps are reached: the ports of the LAN front, the machine's addresses, and apps' names on its network."""

    front_port: int | None
    https_port: int | None = None
    addresses: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def installation_report(
    work: Work,
    sight: Sight,
    notes: Notes,
    *,
    reach: Reach,
    update: UpdateNote | None = None,
    unheard: str = "",
) -> InstallationReport:
    """Return the installation's part of a report. `update` is what is noted of the newest one; see `update_state`."""
    item = work.item
    containers = containers_of(sight, work.installation)
    services = service_sights(containers, notes.services)
    tried = is_amid(update, volumes_of(sight, work.installation))
    # What is only tried has not arrived, and is not the app that people are told of.
    phase = _phase(work, sight, notes, up=is_running(services) and not tried)
    ports = _ports(containers)
    name = item.name if item and notes.web_port is not None and phase == "running" else None
    return InstallationReport(
        installation=work.installation,
        goal=item.goal if item else "",
        epoch=_epoch(item, volumes_of(sight, work.installation), phase),
        phase=phase,
        healthy=is_well(services) and not tried,
        app_digest=item.app_digest if item else None,
        config_revision=item.config_revision if item else 0,
        services=[ServiceState(seen.name, seen.state, seen.health, seen.exit_code, seen.is_link) for seen in services],
        ports=ports,
        url=f"http://{name}.localhost:{reach.front_port}" if name and reach.front_port else None,
        secure_url=f"https://{name}.localhost:{reach.https_port}" if name and reach.https_port else None,
        network_urls=_network_urls(reach, name, notes.web_port, ports) if name and notes.web_port else [],
        images=notes.images,
        steps=list(work.steps),
        problem=failure_of(work.problem) if work.problem else None,
        unconfirmed=notes.unconfirmed and bool(containers),
        update=update_state(update, item, volumes_of(sight, work.installation), unheard=unheard),
    )


def volume_reports(sight: Sight, installations: set[str]) -> list[VolumeReport]:
    """Return every volume of an installation that has something here, conflict snapshots included."""
    return [
        VolumeReport(
            volume=seen.volume,
            installation=seen.installation,
            kind=seen.kind,
            epoch=seen.epoch,
            state=_replica_state(seen),
            local_head=seen.local_head,
            replicas=seen.replicas,
            waiting_bytes=seen.waiting_bytes,
            conflicts=seen.conflicts,
            problem=seen.problem,
            went_back=seen.went_back,
        )
        for seen in sight.state.volumes
        if seen.installation in installations and (seen.phase != "absent" or seen.prefetched or seen.conflicts)
    ]


def _network_urls(reach: Reach, name: str, web_port: int, ports: Sequence[PortBinding]) -> list[str]:
    """Return where other machines of the network find its web page: by number, and by name where it has one."""
    bound = [port.host_ip for port in ports if port.host_port == web_port and port.protocol == "tcp"]
    if all(host == "::1" or host.startswith("127.") for host in bound):
        return []
    named = reach.names.get(name)
    plain = [f"http://{host}:{web_port}" for host in [*reach.addresses, *([named] if named else [])]]
    return [*plain, f"https://{named}:{reach.https_port}"] if named and reach.https_port else plain


def _ports(containers: Sequence[Container]) -> list[PortBinding]:
    found = {
        (seen.service, port.container_port, port.protocol, port.host_ip, port.host_port)
        for seen in containers
        for port in seen.ports
    }
    return [PortBinding(*binding) for binding in sorted(found)]


def _phase(work: Work, sight: Sight, notes: Notes, *, up: bool) -> InstallationPhase:
    item = work.item
    if item is None:
        return _unassigned(work, sight)
    if work.failed:
        return "failed"
    seen = observed(sight, work.installation, notes, item)
    match item.goal:
        case "run":
            if up and not isinstance(work.step, core.StartApp | core.StopApp):
                return "running"
            return _at_work(work.step) or "starting"
        case "stop":
            return "stopped" if seen.containers is None else "stopping"
        case "prepare":
            return "prepared" if work.idle else "preparing"
        case "leave":
            if work.step is None and has_left(desired(item), seen):
                return "released"
            return _at_work(work.step) or "replicating"
        case "drop":
            return "dropped" if work.idle and not seen.volumes and seen.containers is None else "released"


def _unassigned(work: Work, sight: Sight) -> InstallationPhase:
    if containers_of(sight, work.installation):
        return "stopping"
    return "fenced" if volumes_of(sight, work.installation) else "dropped"


def _at_work(step: core.Step | None) -> InstallationPhase | None:
    return _AT_WORK.get(type(step)) if step is not None else None


def _epoch(item: Assignment | None, volumes: Sequence[VolumeState], phase: InstallationPhase) -> str | None:
    """The epoch that all volumes are held under; after they were given back, the one that was given back."""
    if item is not None and phase == "released":
        return item.epoch
    held = {seen.epoch for seen in volumes}
    return held.pop() if len(held) == 1 else None


def _replica_state(seen: VolumeState) -> ReplicaState:
    # The first store keeps the heads, and says what is safe; one that follows may be away for a week.
    return seen.replicas[0].state if seen.replicas else "pending"
