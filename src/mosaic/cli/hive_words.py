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
    """Return how the copy is, with what would be better; one that nobody set up is said, and no failure.

    Raises:
        HiveUnsafe: it was set up and does not work, or the Hive waits for Devices.
    """
    said, copy = copy_words(state, now_ns), state.backup
    if state.recovering:
        _, waits, remedy = state_words(state, now_ns)
        raise HiveUnsafe(waits.removesuffix("."), hint=remedy)
    if not state.backed_up:
        return "none is made, so it dies with its machine; there: `mosaic hive backup set PLACE`"
    if copy is not None and copy.code:
        raise HiveUnsafe(said, hint=copy.hint)
    late = state.unsaved_since_ns is not None and now_ns - state.unsaved_since_ns > LATE_SECONDS * 10**9
    if late or copy is None or copy.instant_ns is None:
        raise HiveUnsafe(f"{said}, and there are changes that it lacks", hint="look at the Hive's log")
    if copy.same_machine:
        return f"{said}, with which it dies; choose another: `mosaic hive backup set PLACE`"
    return said


def _ago(instant_ns: int, now_ns: int) -> str:
    return duration_words(max(0, (now_ns - instant_ns) // 10**9))
