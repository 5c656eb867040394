"""What the owner grants one installation beyond policy, as keys such as `capability:SYS_NICE`.

`policy` names the key of everything that it refuses; the owner signs the ones
that count, so their order and spelling are fixed here.
"""

from collections.abc import Iterable, Set

from mosaic.core.errors import Refused

MOST_KEYS = 100
LONGEST_KEY = 400


class GrantUnusable(Refused):
    """A key that cannot be signed, or that the app does not ask for."""

    code = "grant-unusable"

    def __init__(self, reason: str, *, hint: str = "a refusal names the keys that can be granted") -> None:
        super().__init__(reason, hint=hint)


def in_order(keys: Iterable[str]) -> list[str]:
    """Return the keys once each, sorted: as they are signed. Raises GrantUnusable."""
    wanted = sorted(set(keys))
    if len(wanted) > MOST_KEYS:
        raise GrantUnusable(f"there are {len(wanted)} grants, and at most {MOST_KEYS} are kept")
    for key in wanted:
        # One key is one line of what is signed: a line feed would make two of it.
        if not key or len(key) > LONGEST_KEY or not key.isprintable():
            raise GrantUnusable(f"{key[:80]!r} cannot be granted")
    return wanted


def require_asked(new: Set[str], asked: Set[str]) -> None:
    """Refuse a grant of what the app does not ask for: a slip of the pen, or more than it needs."""
    for key in sorted(new - asked):
        listed = f"it asks for {', '.join(sorted(asked))}" if asked else "it asks for nothing beyond policy"
        raise GrantUnusable(f"the app does not ask for {key!r}", hint=listed)
