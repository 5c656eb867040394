"""Saying how an update goes, as a report carries it."""

from collections.abc import Sequence

from mosaic.core.updating import update_of
from mosaic.device.update_notes import UpdateNote
from mosaic.wire.assignment import Assignment
from mosaic.wire.storage import VolumeState
from mosaic.wire.updating import Stage, UpdateState


def is_amid(note: UpdateNote | None, volumes: Sequence[VolumeState]) -> bool:
    """Whether the app is between two versions: what runs, if anything, is not what people come for."""
    return (note is not None and note.closed) or any(seen.trial is not None for seen in volumes)


def update_state(
    note: UpdateNote | None, item: Assignment | None, volumes: Sequence[VolumeState], *, unheard: str = ""
) -> UpdateState | None:
    """Return how the newest update goes: the wished one, else the last that was begun. `item` as it is effective.

    `unheard` is the wish whose version counts here while no Hive has shown that it knows: that is said first, also
    when it was called off and another one wished. How that one ended is news of its own.
    """
    wished = item.update if item is not None else None
    known = note if note is not None and note.id else None
    if unheard and (known is None or known.id != unheard) and (known is None or known.outcome is None):
        return UpdateState(unheard, "done")
    if unheard and known is not None and known.id == unheard:
        return UpdateState(unheard, "done", None, _kept(known, volumes))
    if wished is not None and (known is None or known.id != wished.id):
        return UpdateState(wished.id, "fetching")
    if known is None:
        return None
    stage = _stage(known, item, volumes)
    return UpdateState(known.id, stage, known.failure, _kept(known, volumes)) if stage is not None else None


def _stage(note: UpdateNote, item: Assignment | None, volumes: Sequence[VolumeState]) -> Stage | None:
    amid = is_amid(note, volumes)
    if note.outcome == "done":
        return "done"
    if note.outcome == "failed":
        return "going-back" if amid else "failed"
    if item is None or item.update is None or item.goal not in ("run", "stop"):
        # It is wished no more, or not here.
        return "going-back" if amid else None
    on_trial = any(seen.trial is not None for seen in volumes)
    if item.goal == "stop":
        return "going-back" if amid else "fetched" if note.images else "fetching"
    if on_trial:
        return "trying"
    return "saving" if note.closed else "fetching"


def _kept(note: UpdateNote, volumes: Sequence[VolumeState]) -> str | None:
    ended = (seen.trialled for seen in sorted(volumes, key=lambda seen: seen.kind))
    return next(
        (end.conflict for end in ended if end is not None and update_of(end.id) == note.id and end.conflict), None
    )
