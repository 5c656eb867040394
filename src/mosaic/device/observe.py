"""From a sight of the engine and the storage daemon to what `core.reconcile` plans with."""

from collections.abc import Mapping, Sequence

from mosaic.adapters.docker.sights import Container
from mosaic.core import epoch as epochs
from mosaic.core.condition import ServiceSight, app_services, is_healthy, is_up
from mosaic.core.goal import Goal
from mosaic.core.ids import AppDigest, HeadHash, InstallationId, VolumeId
from mosaic.core.reconcile import Desired, GoingBack, Observed, SeenVolume, VolumePhase
from mosaic.core.render_link import LINK_LABEL
from mosaic.core.render_service import RESTART_LABEL
from mosaic.core.steps import Release
from mosaic.core.updating import SeenUpdate, Update
from mosaic.device.lookout import Sight
from mosaic.device.records import Notes, release_of, release_text
from mosaic.device.update_notes import Taken, UpdateNote, coming
from mosaic.wire.assignment import Assignment, VolumeAssignment
from mosaic.wire.enrol import NewVolume
from mosaic.wire.storage import VolumeState

INSTALLATION_LABEL = "mosaic.installation"
DIGEST_LABEL = "mosaic.app-digest"
REVISION_LABEL = "mosaic.config-revision"


def device_label(device: str) -> str:
    """Return the label that all containers of this Device have; others are never touched."""
    return f"mosaic.device={device}"


def installation_label(installation: str) -> str:
    """Return the label that everything of one installation has."""
    return f"{INSTALLATION_LABEL}={installation}"


def containers_of(sight: Sight, installation: str) -> list[Container]:
    """Return the installation's containers."""
    return [seen for seen in sight.containers if seen.labels.get(INSTALLATION_LABEL) == installation]


def volumes_of(sight: Sight, installation: str) -> list[VolumeState]:
    """Return the installation's volumes that have data here or are held, or restored for."""
    return [seen for seen in sight.state.volumes if seen.installation == installation and not _is_empty(seen)]


def installations_in(sight: Sight) -> set[InstallationId]:
    """Return the installations that have something here."""
    running = {seen.labels.get(INSTALLATION_LABEL, "") for seen in sight.containers}
    stored = {seen.installation for seen in sight.state.volumes if not _is_empty(seen)}
    return {InstallationId(found) for found in running | stored if found}


def desired(item: Assignment, noted: Mapping[str, NewVolume] | None = None) -> Desired:
    """Return the assignment as `core.reconcile` wants it. `noted` are the keys that this Device made for the app."""
    ahead = item.goal in ("prepare", "drop")
    volumes = [] if item.goal == "run" and _is_half_registered(item, noted or {}) else item.volumes
    heads = {volume.volume: volume.newest if ahead else volume.base for volume in volumes}
    return Desired(
        goal=Goal(item.goal),
        epoch=epochs.parse(item.epoch) if item.epoch else None,
        release=release_of(item),
        volumes={VolumeId(volume): HeadHash(head) if head else None for volume, head in heads.items()},
        going_back=_going_back(item),
        update=Update(item.update.id, release_of(coming(item))) if item.update is not None else None,
    )


def _is_half_registered(item: Assignment, noted: Mapping[str, NewVolume]) -> bool:
    """Whether the Hive has a part of the volumes that were made here. They are registered one after the other.

    An app that was started then would have its link's certificates in its data, and look for them
    in the link's volume when it runs elsewhere.
    """
    told: dict[str, str] = {volume.kind: volume.volume for volume in item.volumes}
    is_ours = any(told.get(kind) == made.volume for kind, made in noted.items())
    return is_ours and not noted.keys() <= told.keys()


def _going_back(item: Assignment) -> GoingBack | None:
    back = item.going_back
    if back is None:
        return None
    return GoingBack(back.id, VolumeId(back.volume), changes_app=back.present_digest != item.app_digest)


def observed(sight: Sight, installation: str, notes: Notes, item: Assignment | None) -> Observed:
    """Return the installation as it is here."""
    containers = containers_of(sight, installation)
    volumes = {volume.volume: volume for volume in item.volumes} if item else {}
    return Observed(
        containers=_release(containers, notes),
        running=is_running(service_sights(containers, notes.services)),
        bundle=AppDigest(notes.bundle) if notes.bundle else None,
        checked=release_of(item) if item and notes.checked == release_text(release_of(item)) else None,
        images=bool(notes.images),
        volumes={
            VolumeId(seen.volume): _volume(seen, volumes.get(seen.volume)) for seen in volumes_of(sight, installation)
        },
    )


def seen_update(note: UpdateNote, taken: Taken | None, item: Assignment | None) -> SeenUpdate:
    """Return what is known of the update that was begun last. `item` as it is effective."""
    wished = release_of(coming(item)) if item is not None and item.update is not None else None
    return SeenUpdate(
        id=note.id,
        bundle=AppDigest(note.bundle) if note.bundle else None,
        checked=wished if wished is not None and note.checked == release_text(wished) else None,
        images=bool(note.images),
        over=note.outcome is not None,
        closed=note.closed,
        taken=taken.id if taken is not None else "",
    )


def service_sights(containers: Sequence[Container], expected: Sequence[str]) -> list[ServiceSight]:
    """Return each service as the engine sees it; one that should have a container and has none is missing."""
    found = [
        ServiceSight(
            name=seen.service,
            state=seen.state,
            health=seen.health if seen.state == "running" else None,
            exit_code=seen.exit_code,
            restarts=seen.labels.get(RESTART_LABEL) == "yes",
            is_link=seen.labels.get(LINK_LABEL) == "yes",
        )
        for seen in containers
    ]
    names = {seen.name for seen in found}
    missing = [ServiceSight(name=name, state="missing") for name in expected if name not in names] if found else []
    return sorted([*found, *missing], key=lambda sight: sight.name)


def is_running(services: Sequence[ServiceSight]) -> bool:
    """Whether the app is up. One that was stopped as a whole has only services that ended: that is not done work."""
    return is_up(services) and any(service.state == "running" for service in app_services(services))


def is_well(services: Sequence[ServiceSight]) -> bool:
    """The health gate's answer."""
    return is_running(services) and is_healthy(services)


def _release(containers: Sequence[Container], notes: Notes) -> Release | None:
    """Which release the containers are of. The labels say all but the count of restarts, which the ledger says."""
    if not containers:
        return None
    releases = {_labelled(seen) for seen in containers}
    # A mix is no release that anybody asks for.
    release = sorted(releases, key=release_text)[0] if len(releases) == 1 else Release(AppDigest(""), -1)
    return _with_restarts(release, notes.rendered)


def _with_restarts(release: Release, rendered: str | None) -> Release:
    if rendered is None:
        return release
    digest, revision, restarts = rendered.split(" ")
    same = (digest, int(revision)) == (release.app_digest, release.config_revision)
    return Release(release.app_digest, release.config_revision, int(restarts)) if same else release


def _labelled(seen: Container) -> Release:
    revision = seen.labels.get(REVISION_LABEL, "")
    return Release(AppDigest(seen.labels.get(DIGEST_LABEL, "")), int(revision) if revision.isdigit() else -1)


def _volume(seen: VolumeState, item: VolumeAssignment | None) -> SeenVolume:
    base, newest = (item.base, item.newest) if item else (None, None)
    epoch = epochs.parse(seen.epoch) if seen.epoch else None
    return SeenVolume(
        phase=VolumePhase(seen.phase),
        epoch=epoch,
        local_head=HeadHash(seen.local_head) if seen.local_head else None,
        clean=seen.clean,
        # A holder's first head in an epoch follows the base that the grant froze.
        proved=seen.local_head is not None and seen.local_head != base,
        prefetched=seen.prefetched is not None or (newest is not None and seen.local_head == newest),
        went_back=seen.went_back.id if seen.went_back else None,
        failed_back=seen.went_back is not None and seen.went_back.failure is not None,
        trial=seen.trial,
    )


def _is_empty(seen: VolumeState) -> bool:
    return seen.phase == "absent" and seen.prefetched is None and seen.moved_bytes is None
