"""Which way a link's tunnel is made: what to try, in which order, and when to try the next. Pure.

WireGuard in the kernel is first, wireguard-go second. Both need NET_ADMIN and
that UDP gets through. Outbound TCP needs nothing at all and is the last, so a
link without a word of LINK_MODE always has something to try.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from mosaic.core.errors import Refused

Mode: TypeAlias = Literal["kernel", "userspace", "tcp"]
"""How a tunnel is made: WireGuard in the kernel, wireguard-go, or outbound TCP without any privilege."""

Ending: TypeAlias = Literal["not made", "silent"]
"""Why a mode is given up: its interface could not be made, or nobody answered through it."""

VARIABLE = "LINK_MODE"
AUTO = "auto"

SILENT_SECONDS = 12.0
"""How long a first handshake is waited for: WireGuard asks each 5 s, so three times. Then TCP has time within 30 s."""

FAST_WIREGUARD_GO = (0, 0, 20230223)
"""The first version that moves many packets with one system call. The one before carries a fifth of it."""

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class LinkModeUnknown(Refused):
    """LINK_MODE says something that is no mode."""

    code = "link-mode-unknown"

    def __init__(self, said: str) -> None:
        super().__init__(
            f"{VARIABLE} is {said[:40]!r}, which is no way to make a tunnel",
            hint=f"set {VARIABLE} to one of {AUTO}, {', '.join(get_args(Mode))}, or leave it out",
        )


class LinkModeImpossible(Refused):
    """LINK_MODE asks for a way to make the tunnel that this container cannot go."""

    code = "link-mode-impossible"

    def __init__(self, mode: Mode, lack: "Lack") -> None:
        super().__init__(f"{VARIABLE}={mode} is not possible here: {lack.fact}", hint=lack.remedy)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container or machine offers. `wireguard_go` is what its `--version` prints, None where it is missing."""

    may_administer: bool
    has_tun: bool
    kernel_has_wireguard: bool
    has_wg: bool
    wireguard_go: str | None


@dataclass(frozen=True, slots=True)
class Lack:
    """What keeps a mode from being possible, and what to do about it."""

    fact: str
    remedy: str


def asked_for(said: str) -> Mode | None:
    """Return the mode that LINK_MODE forces; None for the choice by what is there. Raises LinkModeUnknown."""
    word = said.strip().lower()
    if word in ("", AUTO):
        return None
    for mode in get_args(Mode):
        if word == mode:
            found: Mode = mode
            return found
    raise LinkModeUnknown(said.strip())


def order(asked: Mode | None, around: Surroundings, *, udp_answered: bool | None) -> tuple[Mode, ...]:
    """Return the modes to try, the best first.

    `udp_answered` is what the last try showed, None when there was none. Where
    UDP stayed unanswered TCP comes first, and WireGuard stays behind it for a network that has changed.

    Raises:
        LinkModeImpossible: the mode that is asked for lacks something.
    """
    if asked is not None:
        lack = lacks(asked, around)
        if lack is not None:
            raise LinkModeImpossible(asked, lack)
        return (asked,)
    possible = tuple(mode for mode in get_args(Mode) if lacks(mode, around) is None)
    return ("tcp", *possible[:-1]) if udp_answered is False else possible


def following(tried: tuple[Mode, ...], mode: Mode, ending: Ending) -> Mode | None:
    """Return what to try when this one of an order is given up; None when nothing is left.

    Where WireGuard was made and nobody answers, it is UDP that does not get through: no other WireGuard would help.
    """
    later = tried[tried.index(mode) + 1 :]
    if ending == "silent" and mode != "tcp":
        later = tuple(each for each in later if each == "tcp")
    return later[0] if later else None


def lacks(mode: Mode, around: Surroundings) -> Lack | None:
    """Return the first thing that keeps this mode from being possible, None if nothing does."""
    if mode == "tcp":
        return None
    if not around.may_administer:
        return Lack(
            "the capability NET_ADMIN is missing",
            "give the link `cap_add: [NET_ADMIN]`, or leave LINK_MODE out: TCP needs no capability",
        )
    return _kernel_lacks(around) if mode == "kernel" else _userspace_lacks(around)


def slowness(mode: Mode, around: Surroundings) -> str | None:
    """Return a sentence for the log where this mode works and is slow, None where it is not."""
    if mode != "userspace" or around.wireguard_go is None:
        return None
    found = _VERSION.search(around.wireguard_go)
    if found is not None and tuple(map(int, found.groups())) >= FAST_WIREGUARD_GO:
        return None
    said = found[0] if found else "of an unknown version"
    return f"wireguard-go here is {said}, a fifth as fast as 0.0.20230223, which Debian's backports have"


def _kernel_lacks(around: Surroundings) -> Lack | None:
    if not around.kernel_has_wireguard:
        return Lack(
            "this machine's kernel makes no WireGuard interface",
            "run `modprobe wireguard` on the machine itself, or set LINK_MODE=userspace",
        )
    if not around.has_wg:
        return Lack("the program `wg` is missing", "install wireguard-tools, or set LINK_MODE=userspace")
    return None


def _userspace_lacks(around: Surroundings) -> Lack | None:
    if not around.has_tun:
        return Lack(
            "the device /dev/net/tun is missing, or may not be opened",
            "give the link `devices: [/dev/net/tun]`, or leave LINK_MODE out",
        )
    if around.wireguard_go is None:
        return Lack("the program wireguard-go is missing", "install wireguard-go, or leave LINK_MODE out")
    return None
