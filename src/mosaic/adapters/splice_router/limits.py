"""How much a router takes on: by source, in all, and for how long each wait may last."""

import resource
from dataclasses import dataclass, replace

_KEPT_DESCRIPTORS = 256
_DESCRIPTORS_EACH = 3
"""Its two sockets, and a share of the pipes: an idle connection has none, and without one pieces are copied."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections may be open of one source and to one name, and in all; the rest are seconds.

    Plain HTTP has a quarter of `in_all` beside it, and sources are counted apart, so
    whoever floods it leaves TLS alone.
    """

    per_source: int = 500
    per_name: int = 10_000
    in_all: int = 20_000
    hello_seconds: float = 5.0
    connect_seconds: float = 5.0
    idle_seconds: float = 3600.0
    half_closed_seconds: float = 300.0
    challenge_seconds: float = 10.0


def for_plain(limits: Limits) -> Limits:
    """Return the limits of the door for plain HTTP."""
    return replace(limits, in_all=max(1, limits.in_all // 4))


def within_this_process(limits: Limits) -> Limits:
    """Return the limits with no more connections than this process may have descriptors for.

    What it may have is raised for it, as far as the system lets a process do that for itself.
    """
    wanted = _KEPT_DESCRIPTORS + limits.in_all * _DESCRIPTORS_EACH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return limits
    room = max(1, (soft - _KEPT_DESCRIPTORS) // _DESCRIPTORS_EACH)
    return replace(limits, in_all=min(limits.in_all, room))
