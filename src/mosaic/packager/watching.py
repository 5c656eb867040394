"""Publishing by itself: a branch is looked at again and again, and each new commit is published once.

What a commit lacks (an image that does not exist, a broken compose file) waits
for the next commit; what may pass (a registry that is silent, another publisher) is tried again
with the next look. In between the metadata that a machine signs is signed
again, so that it does not expire while nobody commits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mosaic.core.errors import Conflict, MosaicError, Unavailable


@dataclass(frozen=True, slots=True)
class Turn:
    """What one look came to. `commit` is the one looked at; `problem` is None when all went well."""

    commit: str | None
    published: bool
    problem: MosaicError | None


class Watch:
    """One branch. `look` makes its newest commit the checkout and returns it, `publish` publishes the checkout."""

    def __init__(self, look: Callable[[], str], publish: Callable[[], None], refresh: Callable[[], None]) -> None:
        self._look = look
        self._publish = publish
        self._refresh = refresh
        self._done: str | None = None

    def turn(self) -> Turn:
        """Look once, and publish what is new."""
        commit: str | None = None
        try:
            commit = self._look()
            if commit == self._done:
                self._refresh()
                return Turn(commit, published=False, problem=None)
            self._publish()
        except (Unavailable, Conflict) as error:
            return Turn(commit, published=False, problem=error)
        except MosaicError as error:
            # The same commit would be refused again; a look that was refused says nothing of the one before.
            self._done = commit or self._done
            return Turn(commit, published=False, problem=error)
        self._done = commit
        return Turn(commit, published=True, problem=None)
