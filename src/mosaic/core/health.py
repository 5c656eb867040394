"""Saying how a Device is, from when it was last heard.

Health is a pure function of two instants and what is known of the Device, so
that the Console, the command line and the API can never disagree. How an
installation is, is `condition`'s to say.
"""

from dataclasses import dataclass
from enum import StrEnum

GREEN_SECONDS = 45
AMBER_SECONDS = 120


class Colour(StrEnum):
    """The meaning of a health colour; every place that shows it adds shape and word."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"
    """Nobody knows yet, or it is stopped on purpose."""


@dataclass(frozen=True, slots=True)
class Health:
    """A colour, the word beside it, the cause, and the remedy (empty when nothing is to be done)."""

    colour: Colour
    word: str
    cause: str
    remedy: str = ""


def device_health(
    name: str, last_report_ns: int | None, now_ns: int, *, admitted: bool = True, superseded: bool = False
) -> Health:
    """Say how the Device `name` is. `last_report_ns` is by the Hive's own clock, None before its first report.

    `superseded` says that a session of this Device was turned away because a
    newer one had connected: two machines share one identity.
    """
    if not admitted:
        return Health(
            Colour.GREY, "Waiting", f"{name} has joined and waits for you.", f"Admit it: `mosaic device admit {name}`."
        )
    if last_report_ns is None:
        return Health(
            Colour.GREY,
            "Never heard from",
            f"{name} has not connected yet.",
            "Run the command that was shown when it was added; a join token is good for 15 minutes.",
        )
    # A clock that was set back must not make a silent Device look fresh for hours; it counts as heard just now.
    silent_seconds = max(0, now_ns - last_report_ns) // 10**9
    heard = f"{name} has not reported for {duration_words(silent_seconds)}."
    if silent_seconds > AMBER_SECONDS:
        return Health(Colour.RED, "Not heard from", heard, "Check its power and network, then `mosaic doctor` on it.")
    if silent_seconds > GREEN_SECONDS:
        return Health(Colour.AMBER, "Late", heard, "It should report every 30 s. Check its network.")
    if superseded:
        return Health(
            Colour.AMBER,
            "Needs you",
            f"Another machine also calls itself {name}; only the one that connected last is listened to.",
            "Give the clone an identity of its own: `mosaic device run --new-identity` on it.",
        )
    return Health(Colour.GREEN, "Healthy", f"{name} reported {duration_words(silent_seconds)} ago.")


def duration_words(seconds: int) -> str:
    """Write a duration as people say it: the two largest units, exact below a minute."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return _two(seconds // 60, "min", seconds % 60, "s")
    if seconds < 86400:
        return _two(seconds // 3600, "h", seconds % 3600 // 60, "min")
    return _two(seconds // 86400, "d", seconds % 86400 // 3600, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"
