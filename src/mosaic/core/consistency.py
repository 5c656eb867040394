"""What a snapshot is worth to the programs that wrote it, by the flags in its head.

Every snapshot is at least an instant that a power cut could have left, unless
it is fuzzy. The words are the same in the API, on the command line and in the
Console.
"""

from typing import Literal

APP_STOPPED = 1
APP_CONSISTENT = 2
FUZZY = 4

Label = Literal["stopped", "app-consistent", "crash-consistent", "fuzzy"]


def label(flags: int) -> Label:
    """Return the one word for a head's flags. What makes a snapshot worth less is said first."""
    if flags & FUZZY:
        return "fuzzy"
    if flags & APP_STOPPED:
        return "stopped"
    return "app-consistent" if flags & APP_CONSISTENT else "crash-consistent"
