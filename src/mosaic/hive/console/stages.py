"""How far an update is, in a sentence. Pure."""

from mosaic.hive.console.words import span
from mosaic.wire.versions import Updating


def stage_words(wish: Updating) -> str:
    """Return what its Device does for an open wish."""
    match wish.state.stage if wish.state is not None else None:
        case None:
            return "Its device has not begun yet; the version before runs on."
        case "fetching":
            return "The new version is fetched and checked; the version before runs on."
        case "fetched":
            return "The new version is here. It is tried when the app is started."
        case "saving":
            return "The app is stopped, and the last of its data is replicated."
        case "trying":
            return f"The new version runs. It counts once it was well for {span(wish.gate_seconds)}."
        case "going-back":
            return "It was not well. The version before is put back, with its data."
        case "done":
            return "It was well, and counts."
        case "failed":
            return "The version before runs again, with its data."
