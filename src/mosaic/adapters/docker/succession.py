"""One container in the place of another, at the engine: what each is, and every change; each may be made twice."""

import json
from dataclasses import dataclass
from typing import Literal

import msgspec

from mosaic.adapters.docker.api import Api, EngineRefused, quoted
from mosaic.adapters.docker.sights import EngineUnreadable
from mosaic.core.successor import Json, successor

_LINES = 20
_HEADER_BYTES = 8


class _State(msgspec.Struct, rename="pascal"):
    status: str
    running: bool


class _Policy(msgspec.Struct, rename="pascal"):
    name: str = "no"


class _Host(msgspec.Struct, rename="pascal"):
    restart_policy: _Policy
    auto_remove: bool = False


class _Config(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None
    tty: bool = False
    stop_timeout: int | None = None


class _Seen(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    image: str
    state: _State
    config: _Config
    host_config: _Host
    restart_count: int = 0


class _Update(msgspec.Struct, rename="pascal"):
    restart_policy: _Policy


@dataclass(frozen=True, slots=True)
class SeenContainer:
    """A container as the engine has it. `life` is `absent` for one that was made and never started.

    `restarts` is how often the engine has started it again since somebody did. `grace_seconds` is what it gets to end.
    """

    id: str
    name: str
    image: str
    life: Literal["runs", "ended", "absent"]
    restart: str
    is_removed_at_its_end: bool
    restarts: int
    labels: dict[str, str]
    has_terminal: bool
    grace_seconds: int


def see(engine: Api, name: str) -> SeenContainer | None:
    """Return the container of that name or id, None when there is none."""
    answer = engine.find(f"/containers/{quoted(name)}/json")
    if answer is None:
        return None
    try:
        seen = msgspec.json.decode(answer, type=_Seen)
    except msgspec.MsgspecError as error:
        raise EngineUnreadable(str(error)) from error
    return SeenContainer(
        id=seen.id,
        name=seen.name.lstrip("/"),
        image=seen.image,
        life="runs" if seen.state.running else "absent" if seen.state.status == "created" else "ended",
        restart=seen.host_config.restart_policy.name,
        is_removed_at_its_end=seen.host_config.auto_remove,
        restarts=seen.restart_count,
        labels=seen.config.labels or {},
        has_terminal=seen.config.tty,
        grace_seconds=seen.config.stop_timeout or 60,
    )


def create_like(engine: Api, before: str, *, image: str, name: str, restart: str) -> None:
    """Create a container that is given what `before` was (see `core.successor`), of another image; not started."""
    container = _mapping(engine.get(f"/containers/{quoted(before)}/json"))
    old_image = _mapping(engine.get(f"/images/{quoted(str(container.get('Image')))}/json"))
    if not engine.post("/containers/create", successor(container, old_image, image, restart=restart), name=name):
        raise EngineRefused(f"there is no image {image}")


def start(engine: Api, name: str) -> None:
    """Start it; one that runs is fine."""
    engine.post(f"/containers/{quoted(name)}/start")


def stop(engine: Api, name: str, *, grace_seconds: int) -> None:
    """Stop it with its grace; one that has ended is fine."""
    engine.post(f"/containers/{quoted(name)}/stop", seconds=grace_seconds, t=str(grace_seconds))


def set_restart(engine: Api, name: str, policy: str) -> None:
    """Say whether the engine starts it again when it ends."""
    engine.post(f"/containers/{quoted(name)}/update", _Update(_Policy(policy)))


def rename(engine: Api, name: str, to: str) -> None:
    """Give it another name, which must be free."""
    engine.post(f"/containers/{quoted(name)}/rename", name=to)


def remove(engine: Api, name: str) -> None:
    """Remove it, running or not; its data is elsewhere. One that is gone is fine."""
    engine.delete(f"/containers/{quoted(name)}", force="true")


def last_lines(engine: Api, seen: SeenContainer) -> str:
    """Return what it said last."""
    said = engine.get(f"/containers/{quoted(seen.id)}/logs", stdout="true", stderr="true", tail=str(_LINES))
    return (said if seen.has_terminal else _plain(said)).decode(errors="replace").strip()


def _plain(framed: bytes) -> bytes:
    """Return the text of a log: the engine puts eight bytes before each piece, of which the last four are its size."""
    pieces: list[bytes] = []
    at = 0
    while at + _HEADER_BYTES <= len(framed):
        size = int.from_bytes(framed[at + 4 : at + _HEADER_BYTES], "big")
        pieces.append(framed[at + _HEADER_BYTES : at + _HEADER_BYTES + size])
        at += _HEADER_BYTES + size
    return b"".join(pieces)


def _mapping(answer: bytes) -> dict[str, Json]:
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise EngineUnreadable(str(error)) from error
    if not isinstance(found, dict):
        raise EngineUnreadable("it is no description of one thing")
    return found
