"""The folder that a Device and its LAN front share: what lies there, and what each file says to the other."""

from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused


class FrontEnded(Refused):
    """The Device of this front was removed."""

    code = "front-ended"

    def __init__(self) -> None:
        super().__init__(
            "the Device here was removed, or another took its place, and its LAN front with it",
            hint="it comes back with the next `mosaic device run`",
        )


@dataclass(frozen=True, slots=True)
class FrontFolder:
    """One folder of a Device's state. Everything in it is the front's own; no key of the Device is."""

    path: Path

    @property
    def admin(self) -> Path:
        """Where the front is told its routes: a UNIX socket, for root alone."""
        return self.path / "admin.sock"

    @property
    def kept(self) -> Path:
        """The configuration that it was told last, with which it starts. Empty: it has ended for good."""
        return self.path / "routes.json"

    @property
    def first(self) -> Path:
        """The configuration that this start began with."""
        return self.path / "first.json"

    @property
    def authority(self) -> Path:
        """The folder of the authority that signs for HTTPS: the front's own, and its only secret."""
        return self.path / "authority"

    @property
    def lock(self) -> Path:
        """Held as long as a front runs from this folder."""
        return self.path / "lock"

    @property
    def is_ended(self) -> bool:
        """Whether its Device said that it is not needed any more."""
        return self.kept.exists() and self.kept.stat().st_size == 0

    def end(self) -> None:
        """Note that it is not needed any more: whoever starts it again is refused."""
        write_private(self.kept, b"")

    def wanted(self) -> None:
        """Note that somebody runs a Device here again."""
        if self.is_ended:
            self.kept.unlink()
