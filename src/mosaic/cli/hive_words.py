"""How the Hive itself is, in sentences."""

from mosaic.core.errors import MosaicError
from mosaic.core.health import duration_words
from mosaic.wire.hive_backup import HiveState

LATE_SECONDS = 1800


class HiveUnsafe(MosaicError):
    """The Hive's own database would not survive its machine."""

    code = "hive-unsafe"


def state_words(state: HiveState, now_ns: int) -> list[str]:
    """Return a line on the copy, and one on the roll call where there is one."""
    lines = [f"The Hive's own copy: {copy_words(state, now_ns)}"]
    if state.recovering:
        names = ", ".join(each.name for each in state.awaited) or "devices of other accounts"
        lines.append(f"The Hive came back from an older copy, and still waits for: {names}.")
        lines.append("Go on without one that will not come back: `mosaic hive recover --waive DEVICE`")
    return lines


def copy_words(state: HiveState, now_ns: int) -> str:
    """Return when the newest copy was made and where it is, or what stands in the way."""
    copy = state.backup
    if not state.backed_up or copy is None:
        return "none is made" if not state.backed_up else "none was made yet"
    where = "on this same machine" if copy.same_machine else "on another machine"
    when = "never" if copy.instant_ns is None else f"{_ago(copy.instant_ns, now_ns)} ago, {where}"
    return f"{when}; the newest attempt failed: {copy.message}" if copy.code else when


def require_safe(state: HiveState, now_ns: int) -> str:
    """Return how the copy is when all is well. Raises HiveUnsafe with what to do."""
    said, copy = copy_words(state, now_ns), state.backup
    if state.recovering:
        raise HiveUnsafe("; ".join(state_words(state, now_ns)[1:2]), hint=state_words(state, now_ns)[2])
    if not state.backed_up:
        raise HiveUnsafe(
            "the Hive's own database is copied nowhere, and dies with its machine",
            hint="on the Hive's machine: `mosaic hive backup set FOLDER`, best of another machine; then print the "
            "kit: `mosaic recovery-kit`",
        )
    if copy is not None and copy.code:
        raise HiveUnsafe(f"the Hive's own copy: {said}", hint=copy.hint)
    if copy is not None and copy.same_machine:
        raise HiveUnsafe(
            f"the Hive's own copy: {said}",
            hint="it dies with that machine; choose a place on another: `mosaic hive backup set PLACE`",
        )
    late = state.unsaved_since_ns is not None and now_ns - state.unsaved_since_ns > LATE_SECONDS * 10**9
    if late or copy is None or copy.instant_ns is None:
        raise HiveUnsafe(f"the Hive's own copy: {said}, and there are changes since", hint="look at the Hive's log")
    return said


def _ago(instant_ns: int, now_ns: int) -> str:
    return duration_words(max(0, (now_ns - instant_ns) // 10**9))
