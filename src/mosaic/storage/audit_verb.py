"""Telling how the audits of a volume go, and beginning one: the verb `audit`."""

from mosaic.core.errors import Conflict
from mosaic.core.ids import VolumeId
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_audit import must_reread
from mosaic.wire.storage import AuditRequest, AuditState


class NothingToAudit(Conflict):
    """The volume is not in use here, so there is no snapshot that the search for changes goes on from."""

    code = "nothing-to-audit"

    def __init__(self, volume: VolumeId, phase: str) -> None:
        super().__init__(
            f"volume {volume[:12]} is {phase} here, and only a volume in use is audited",
            hint="run it on the Device that has the app: `mosaic volume show NAME`; "
            "`mosaic volume verify NAME` checks what is stored from anywhere",
        )


def audit(daemon: Daemon, asked: AuditRequest) -> AuditState:
    """Return how it goes, after beginning one if that is asked."""
    volume = daemon.volume(VolumeId(asked.volume))
    record = volume.record
    if asked.begin:
        if record.lease is None or record.phase != "ready":
            raise NothingToAudit(volume.id, record.phase)
        with volume.wakes:
            volume.audit_asked, volume.audit_answer, volume.audit_problem = True, None, None
        volume.wake()
    auditing, audits = volume.auditing, record.audits
    return AuditState(
        volume=volume.id,
        asked=volume.audit_asked,
        under_way=auditing is not None,
        read_bytes=auditing.moved_bytes if auditing else None,
        total_bytes=auditing.total_bytes if auditing else None,
        answer=volume.audit_answer,
        last=audits.last if audits else None,
        rereads=must_reread(record),
        problem=volume.audit_problem or volume.problem,
    )
