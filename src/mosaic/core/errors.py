"""Every error that Mosaic raises on purpose.

The tree; each leaf lives beside the code that raises it:

- MosaicError          what is true, and a hint: what to type or do next
  - Refused            a rule says no; nothing was changed
  - NotFound           the thing named does not exist (here, or any more)
  - Conflict           the state has moved on since the caller looked
    - Fenced           somebody else holds the lease now (G1)
  - Unavailable        something outside did not answer; the only kind that is retried
  - Corrupt            bytes are not what they were when they were written (G9)

`code` is stable: it is the problem type of the API, the key of the error's
page in the docs and what `--json` prints.
"""

from typing import ClassVar

REFUSED_CODE = 3
"""A long-running program of ours exits with this where trying again cannot help."""


class MosaicError(Exception):
    """Root of the tree. Callers catch a branch; only the outermost shell catches this."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def with_hint(self) -> str:
        """Both in one line, for where a list has room for one text."""
        return f"{self.message} ({self.hint})"


class Refused(MosaicError):
    """A rule says no. Nothing was changed."""

    code = "refused"


class NotFound(MosaicError):
    """What was named does not exist."""

    code = "not-found"


class Conflict(MosaicError):
    """The state has moved on since the caller looked; look again before deciding."""

    code = "conflict"


class Fenced(Conflict):
    """Another holder was granted a later epoch; this one must stop writing and keep what it has."""

    code = "fenced"


class Unavailable(MosaicError):
    """Something outside did not answer in time. Trying again later may work."""

    code = "unavailable"


class Corrupt(MosaicError):
    """Stored bytes fail their check. They are never used, and never deleted for it."""

    code = "corrupt"
