"""The words in which an owner says what is kept: `last=40,hourly=24,daily=7,weekly=4,monthly=12`.

What is not named stays as it is, so that nobody loses a year of months by
asking for more days; `default` is all of the default again. What a rule does
to snapshots is `mosaic.core.retention`'s.
"""

from dataclasses import fields, replace

from mosaic.core.errors import Conflict, Refused
from mosaic.core.retention import Retention

MOST = 10_000
"""Of each; the list of what is kept goes with a volume's snapshots."""

_DEFAULT = "default"
_WORDS = tuple(field.name for field in fields(Retention))


class KeepRuleUnusable(Refused):
    """What was typed does not say what to keep."""

    code = "keep-unusable"

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(
            f"{reason}; nothing was changed",
            hint=hint or f"say what to change, like {write_rule(Retention())}, which is the default",
        )


class KeepsLess(Conflict):
    """A rule keeps less than the one before, and nobody agreed to that."""

    code = "keeps-less"

    def __init__(self, name: str, loss: str) -> None:
        super().__init__(
            f"nobody agreed to keep less of {name}: {loss}; nothing was changed",
            hint="say `--yes` to agree, or `--dry-run` to look again; what is pinned stays in any case",
        )


def parse_rule(text: str, before: Retention) -> Retention:
    """Return the rule that was typed, where `before` is in force. Raises KeepRuleUnusable."""
    if text.strip() == _DEFAULT:
        return Retention()
    named: dict[str, int] = {}
    for part in text.split(","):
        word, _, number = (piece.strip() for piece in part.partition("="))
        if word not in _WORDS:
            raise KeepRuleUnusable(f"{part.strip()!r} is not something that can be kept")
        if word in named:
            raise KeepRuleUnusable(f"{word} is said twice")
        if not (number.isascii() and number.isdecimal() and len(number) <= len(str(MOST)) and int(number) <= MOST):
            raise KeepRuleUnusable(f"{word} is a number from 0 to {MOST}, and not {number[:40]!r}")
        named[word] = int(number)
    if named.get("last") == 0:
        raise KeepRuleUnusable(
            "the last snapshot is the data itself, and is always kept", hint="say last=1 or more; `hourly=0` is allowed"
        )
    return replace(before, **named)


def write_rule(rule: Retention) -> str:
    """Return a rule so that it is read the same again, whatever was before."""
    return ",".join(f"{word}={getattr(rule, word)}" for word in _WORDS)


def keeps_less(wanted: Retention, before: Retention) -> bool:
    """Return whether any number is lower: then some snapshots are let go that would have stayed."""
    return any(getattr(wanted, word) < getattr(before, word) for word in _WORDS)


def loss_of(rule: Retention, lets_go: int, stay: int, oldest: str | None) -> str:
    """Return what a rule that keeps less lets go, as a clause. `oldest` is when the oldest that stays was taken."""
    kept = f"{write_rule(rule)} is kept from now on"
    if lets_go == 0:
        return f"{kept}, which lets none of the {stay} go that there are today"
    gone = "1 snapshot" if lets_go == 1 else f"{lets_go} snapshots"
    rest = "1 stays" if stay == 1 else f"{stay} stay"
    since = f", the oldest of {oldest}" if oldest else ""
    return f"{kept}, which lets {gone} more go, for good, with the next collection; {rest}{since}"
