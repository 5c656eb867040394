"""Giving every file of a snapshot its node number.

A file that is remembered keeps its number under whatever name it has now.
Where nothing is remembered, the file takes the number that its path had.
"""

import os
import stat

from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.records import ROOT_NODE


class Numbers:
    """The numbers of one replication. `taken` are those that a file of the snapshot has."""

    def __init__(self, nodes: NodeMap, *, first_new: int, remembered: bool) -> None:
        self._nodes = nodes
        self._remembered = remembered
        self.next = first_new
        self.taken = NodeSet()

    def of(self, status: os.stat_result, *, candidate: int | None) -> int:
        """Return a file's number: the remembered one, else `candidate` if that is free, else a new one."""
        # Where nothing is remembered, only a file with several names can have been met before.
        unmet = not self._remembered and (status.st_nlink == 1 or stat.S_ISDIR(status.st_mode))
        was = None if unmet else self._nodes.find(status.st_ino)
        if was is not None and was.node != ROOT_NODE:
            return was.node
        if candidate is not None and candidate not in self.taken:
            return candidate
        self.next += 1
        return self.next - 1
