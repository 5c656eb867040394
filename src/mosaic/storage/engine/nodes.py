"""What this machine remembers of the state that it replicated or restored last.

Maps inode numbers to the node ids that the stored tree uses, with the size
and times each file had then. It is a cache: without it, files are matched by
their paths and read again.
"""

from pathlib import Path


class NodeMap:
    """The memory of one subvolume. Used by one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or make it; a file that is not a node map is replaced. None keeps it in memory."""
        self._path = path

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError
