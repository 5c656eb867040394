"""Updates and generations as the API shows them."""

from mosaic.adapters.sql import generations, heads
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.updates import Update
from mosaic.wire.report import InstallationReport
from mosaic.wire.versions import Generation, Updating


def updating_of(wish: Update, report: InstallationReport | None) -> Updating:
    """Return a wish, with how far the Device of `report` is with it."""
    said = report.update if report is not None else None
    return Updating(
        id=wish.id,
        app_digest=wish.app_digest,
        label=wish.label,
        by_itself=wish.by_itself,
        asked_ns=wish.asked_ns,
        gate_seconds=wish.gate_seconds,
        state=said if said is not None and said.id == wish.id else None,
        ended_ns=wish.ended_ns,
        outcome=wish.outcome,
        failure=wish.failure,
        kept=wish.kept,
    )


def generations_of(tx: Tx, known: Installation) -> list[Generation]:
    """Return what the installation ran, the newest first. The present one is there without ever having been updated."""
    ran = generations.of(tx, known.id) or [generations.first(known)]
    last = [each.last_head for each in ran if each.last_head is not None]
    kept = heads.kept_of(tx, last)
    instants = heads.instants(tx, kept)
    return [
        Generation(
            n=each.n,
            app_digest=each.app_digest,
            label=each.label,
            began_ns=each.began_ns,
            last_head=each.last_head if each.last_head in kept else None,
            last_instant_ns=instants.get(each.last_head) if each.last_head in kept else None,
        )
        for each in ran
    ]
