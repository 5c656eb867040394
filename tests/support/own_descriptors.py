"""How many descriptors this process has open."""

from pathlib import Path


def own_descriptors() -> int:
    """Count them."""
    return len(list(Path("/proc/self/fd").iterdir()))
