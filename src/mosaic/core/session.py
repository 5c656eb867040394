"""Deciding which run of a Device speaks for it.

The newest session fences the older ones, so that a clone of a machine or a
restored image can never act beside the original. A session that was
superseded stays so: two clones would otherwise take the name from each other
for ever.
"""

from dataclasses import dataclass

from mosaic.core.errors import Refused
from mosaic.core.ids import SessionId


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions that one Device has had. `newest` is None before its first."""

    newest: SessionId | None = None
    superseded: frozenset[SessionId] = frozenset()


class SessionSuperseded(Refused):
    """A later start of the same Device has taken over."""

    code = "session-superseded"

    def __init__(self) -> None:
        super().__init__(
            "another start of this same device has connected since",
            hint="if this machine is a clone, give it an identity of its own: `mosaic device run --new-identity`",
        )


def admit(sessions: Sessions, session: SessionId) -> Sessions:
    """Let `session` speak for the Device from now on. The newest session may come again.

    Raises:
        SessionSuperseded: it was the newest once, and is not any more.
    """
    if session in sessions.superseded:
        raise SessionSuperseded
    if sessions.newest is None or session == sessions.newest:
        return Sessions(session, sessions.superseded)
    return Sessions(session, sessions.superseded | {sessions.newest})
