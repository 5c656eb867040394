"""Removing a Device, in the API: what is wished, and what becomes of its apps."""

from typing import Literal

import msgspec


class Removal(msgspec.Struct, frozen=True):
    """Remove a Device: its apps move to `to` (id or name), or are stopped, or (neither) go where there is room.

    `force` does not wait for the Device. Then `lose_seconds` accepts, by
    installation, what the plan says would be lost, and what only the Device
    has is given up.
    """

    to: str | None = None
    stop: bool = False
    force: bool = False
    lose_seconds: dict[str, float] = {}


class LeavingApp(msgspec.Struct, frozen=True):
    """What becomes of one app. `to` is the Device (id) that it moves to; `lost`: no store has anything of it.

    `lose_seconds` is what goes by force: 0 without, None for all of it.
    `problem` says why it has not left, or cannot.
    """

    installation: str
    name: str
    does: Literal["move", "stop", "lost"]
    to: str | None = None
    to_name: str = ""
    lose_seconds: float | None = 0.0
    problem: str = ""


class RemovalPlan(msgspec.Struct, frozen=True):
    """What removing a Device does. `asked_ns` is None until it was asked for; `removed` when it is over.

    `set_aside` names, by app, the conflict snapshots that no other machine
    has; `in_trash` the uninstalled apps whose last data it has not handed over.
    """

    device: str
    name: str
    reachable: bool
    asked_ns: int | None
    removed: bool
    apps: list[LeavingApp]
    set_aside: dict[str, list[str]]
    in_trash: list[LeavingApp]
