"""What opens a registry for a test."""

from typing import Protocol

from mosaic.adapters.oci.credentials import Credentials
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registry import Registry


class Opens(Protocol):
    """Opens registries whose clock is the test's own, and whose pauses let it pass."""

    def __call__(self, host: str, credentials: Credentials | None = None, limits: Limits | None = None) -> Registry:
        """Return one that is closed when the test ends."""
        ...
