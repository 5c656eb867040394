"""What a link does about probes that stay away. Pure: the supervisor probes, asks here, and carries the step out.

A round is one probe of each gateway, all at the same time. While any of them
answers, the link is reachable, and only the others' sessions are renewed. When
none does, the means grow: a new handshake after 3 rounds, another registration
after 6, and from there the next gateway or another mode in turn, each given 6
rounds of its own. The first new registration of a link that was reachable is
given 4: it mends a gateway that forgot, and where it is the network that changed, another mode has
its turn within 30 s. A mode in which no probe ever came back is left at once for
the next: nothing of it worked, so a network that lets no UDP out costs 6 rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

RENEW_AFTER = 3
REGISTER_AFTER = 6
REGISTERED_AFTER = 4
"""Rounds for the first new registration of a link that was reachable before."""

RENEW_AGAIN_EVERY = 24
"""Rounds between two handshakes with one gateway that stays away while another answers."""


class Probe(Enum):
    """What came back from a gateway's inside."""

    GOOD = "good"
    SILENT = "silent"
    UNKNOWN = "unknown"
    """It answers, and has no such registration."""
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Nothing:
    """All is well, or not yet bad enough."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Make new handshakes with these gateways, their names looked up again."""

    gateways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisterAgain:
    """Ask for a new registration where the last one was made."""


@dataclass(frozen=True, slots=True)
class NextGateway:
    """Ask another gateway's API for a registration."""


@dataclass(frozen=True, slots=True)
class ChangeMode:
    """Make the tunnel in the next mode, and register it."""


@dataclass(frozen=True, slots=True)
class End:
    """Another one took this link's place. Coming back would take it from that one."""


Step: TypeAlias = Nothing | Renew | RegisterAgain | NextGateway | ChangeMode | End


@dataclass(frozen=True, slots=True)
class Choices:
    """What is there to change to: how many gateways have an API, and how many modes may be tried."""

    apis: int = 1
    modes: int = 1


@dataclass(frozen=True, slots=True)
class Healing:
    """What is remembered between rounds. `silent` counts the rounds that each gateway stayed away.

    `lost` counts the rounds in which all did since the last registration. `tries` counts the registrations since a
    probe came back, and `has_worked` says whether one ever did.
    """

    silent: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    tries: int = 0
    has_worked: bool = False


def after_round(before: Healing, probes: Mapping[str, Probe], choices: Choices) -> tuple[Healing, Step]:
    """Return what to remember and what to do after one round."""
    found = set(probes.values())
    if Probe.SUPERSEDED in found:
        return before, End()
    silent = {name: 0 if probe is Probe.GOOD else before.silent.get(name, 0) + 1 for name, probe in probes.items()}
    if Probe.GOOD in found:
        return Healing(silent, has_worked=True), _renewed(silent)
    now = replace(before, silent=silent, lost=before.lost + 1)
    if Probe.UNKNOWN in found and before.tries == 0:
        # The gateway is there and lost us: it needs no patience.
        return _registered(now), RegisterAgain()
    if now.lost < _patience(now):
        return now, Renew(tuple(sorted(silent))) if now.lost == RENEW_AFTER else Nothing()
    return _stronger(now, choices)


def is_reachable(healing: Healing) -> bool:
    """Whether a probe came back in the last round."""
    return 0 in healing.silent.values()


def _renewed(silent: Mapping[str, int]) -> Step:
    due = tuple(sorted(name for name, rounds in silent.items() if _is_due(rounds)))
    return Renew(due) if due else Nothing()


def _is_due(rounds: int) -> bool:
    return rounds >= RENEW_AFTER and (rounds - RENEW_AFTER) % RENEW_AGAIN_EVERY == 0


def _patience(now: Healing) -> int:
    return REGISTERED_AFTER if now.has_worked and now.tries == 1 else REGISTER_AFTER


def _stronger(now: Healing, choices: Choices) -> tuple[Healing, Step]:
    ladder = _ladder(choices, has_worked=now.has_worked)
    return _registered(now), ladder[now.tries % len(ladder)]


def _ladder(choices: Choices, *, has_worked: bool) -> Sequence[Step]:
    """Return what is tried in turn, again and again, for as long as no probe comes back."""
    others: list[Step] = [NextGateway() for _ in range(choices.apis - 1)]
    changes: list[Step] = [ChangeMode() for _ in range(choices.modes - 1)]
    return [RegisterAgain(), *others, *changes] if has_worked else [*changes, *others, RegisterAgain()]


def _registered(now: Healing) -> Healing:
    return Healing({}, lost=0, tries=now.tries + 1, has_worked=now.has_worked)
