"""The files that a new app begins with: a compose file that says what each of its lines is for.

What comes out passes `mosaic app check` as it is.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.app_name import RULE, is_app_name, nearest
from mosaic.core.app_repository import COMPOSE_FILE
from mosaic.core.errors import Refused
from mosaic.core.ignore_rules import IGNORE_FILE
from mosaic.core.image_ref import parse

_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,200}", re.ASCII)
_README = "README.md"
_LONGEST_TITLE = 80


class StartingPointUnusable(Refused):
    """A starting point cannot be written like this. Nothing was written."""

    code = "starting-point-unusable"

    def __init__(self, reason: str, *, hint: str) -> None:
        super().__init__(reason, hint=hint)


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """What an app begins with. `port` is the one its web page is served on, `data` a folder in the container."""

    name: str
    title: str
    image: str
    port: int | None = None
    data: str | None = None


def require_usable(point: StartingPoint) -> None:
    """Raise StartingPointUnusable or ImageRefUnreadable unless it can be written."""
    if not is_app_name(point.name):
        better = nearest(point.name)
        raise StartingPointUnusable(
            f"{point.name[:80]!r} cannot be an app's name", hint=f"use {RULE}" + (f": {better}" if better else "")
        )
    if not point.title.isprintable() or not 0 < len(point.title) <= _LONGEST_TITLE:
        raise StartingPointUnusable(
            f"{point.title[:80]!r} cannot be a title", hint=f"use one line of up to {_LONGEST_TITLE} characters"
        )
    parse(point.image)
    if point.port is not None and not 0 < point.port < 65536:
        raise StartingPointUnusable(
            f"{point.port} is no port", hint="give the one that the program listens on: 1–65535"
        )
    if point.data is not None and (
        _PATH.fullmatch(point.data) is None
        or not set(point.data.split("/")) - {"", "."}
        or ".." in point.data.split("/")
    ):
        raise StartingPointUnusable(
            f"{point.data[:80]!r} cannot be where the data lies",
            hint="give an absolute path in the container, as /data",
        )


def write(point: StartingPoint, folder: Path) -> list[Path]:
    """Write the files into a folder, which is made; return them.

    Raises:
        StartingPointUnusable: one of them is there already, or see `require_usable`.
    """
    require_usable(point)
    files = {
        COMPOSE_FILE: _compose(point),
        _README: f"# {point.title}\n\nWhat it does, in one line.\n",
        IGNORE_FILE: _IGNORES,
    }
    there = [name for name, text in files.items() if os.path.lexists(folder / name) and not _has(folder / name, text)]
    if there:
        raise StartingPointUnusable(
            f"{folder} has a {there[0]} already", hint="name another folder; nothing that is there is changed"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        draft = folder / f".{name}.new"
        draft.write_text(text, "utf-8")
        # Unlike a rename this never takes the place of a file that somebody made meanwhile.
        with contextlib.suppress(FileExistsError):
            os.link(draft, folder / name)
        draft.unlink()
    sync_folder(folder)
    return [folder / name for name in files]


def _has(path: Path, text: str) -> bool:
    """Whether a file is what was to be written: then it was, by a call that was killed before it had written all."""
    return path.is_file() and not path.is_symlink() and path.read_bytes() == text.encode()


def _compose(point: StartingPoint) -> str:
    lines = [
        "# What this app is. `mosaic app check` says what is wrong with it, each thing with its line.",
        "x-mosaic:",
        f"  title: {_quoted(point.title)}",
        '  summary: "What it does, in one line."',
        "",
        "services:",
        "  app:",
        "    # Pinned to its digest when the app is published: everybody gets the same bytes.",
        f"    image: {_quoted(point.image)}",
    ]
    if point.port is not None:
        lines += ["    # The Device finds a free port of its own for it.", "    ports:", f'      - "{point.port}"']
    if point.data is not None:
        lines += [
            "    # What must survive belongs into volumes: they are saved all the time, and move with the app.",
            "    volumes:",
            f'      - "data:{point.data}"',
        ]
    lines += [
        "    # Mosaic waits until the app is well before it trusts a start, a move or an update.",
        "    # healthcheck:",
        '    #   test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"]',
    ]
    if point.data is not None:
        lines += ["", "volumes:", "  data:"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # A dollar sign would begin a variable, which whoever installs the app would be asked for.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


_IGNORES = """\
# What is needed to build the app and not to run it, one pattern a line, as in .dockerignore.
Dockerfile
"""
