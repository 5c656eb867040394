"""What a reader of a stream says while it cannot decide yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NeedsMore:
    """What is read cannot be whole with fewer than `at_least` bytes in all; it may turn out to need more then."""

    at_least: int
