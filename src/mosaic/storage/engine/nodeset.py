"""A set of node numbers that stays small: they are dense, so bits do."""

_BLOCK_BITS = 4096


class NodeSet:
    """Node numbers. A million neighbours take 250 KB."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytearray] = {}
        self._count = 0

    def add(self, node: int) -> bool:
        """Take the number up; return whether it is new."""
        number, bit = divmod(node, _BLOCK_BITS)
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = bytearray(_BLOCK_BITS // 8)
        mask = 1 << (bit & 7)
        if block[bit >> 3] & mask:
            return False
        block[bit >> 3] |= mask
        self._count += 1
        return True

    def discard(self, node: int) -> None:
        """Let go of a number that is in it."""
        number, bit = divmod(node, _BLOCK_BITS)
        self._blocks[number][bit >> 3] &= ~(1 << (bit & 7))
        self._count -= 1

    def __contains__(self, node: int) -> bool:
        number, bit = divmod(node, _BLOCK_BITS)
        block = self._blocks.get(number)
        return block is not None and bool(block[bit >> 3] & 1 << (bit & 7))

    def same_as(self, other: "NodeSet") -> bool:
        """Return whether both have the same numbers."""
        return self._blocks == other._blocks

    def __len__(self) -> int:
        return self._count
