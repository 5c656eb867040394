"""What the commands that make and publish apps share: registries, variables, where things are kept between two runs."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mosaic.adapters.oci.credentials import DockerCredentials, docker_config
from mosaic.adapters.oci.registries import Registries
from mosaic.core.errors import Refused
from mosaic.packager.sbom import SbomUnusable

_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})=(.*)", re.DOTALL)


class VariableUnreadable(Refused):
    """A variable was not given as NAME=VALUE."""

    code = "variable-unreadable"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:80]!r} is no variable with its value", hint="write it as `--var NAME=VALUE`")


def variables_of(given: Sequence[str]) -> dict[str, str]:
    """Return the variables that were given on the command line. Raises VariableUnreadable."""
    found = {}
    for text in given:
        match = _VARIABLE.fullmatch(text)
        if match is None:
            raise VariableUnreadable(text)
        found[match[1]] = match[2]
    return found


def sboms_of(given: Sequence[str]) -> dict[str, Path]:
    """Return the files of bills of materials by app. Raises SbomUnusable: not APP=FILE, or two for one app."""
    found: dict[str, Path] = {}
    for text in given:
        app, equals, file = text.partition("=")
        if not (app and equals and file):
            raise SbomUnusable(f"{text[:80]!r} names no app with its file")
        if app in found:
            raise SbomUnusable(f"{app[:80]} is given two bills of materials")
        found[app] = Path(file)
    return found


@contextmanager
def registries(plain: Sequence[str] = ()) -> Iterator[Registries]:
    """Have registries to speak to, with the logins of `docker login`. `plain` are hosts without TLS."""
    config = docker_config(os.environ, Path.home())
    opened = Registries(DockerCredentials(config), plain_hosts=frozenset(plain))
    try:
        yield opened
    finally:
        opened.close()


def cache_folder() -> Path:
    """Return where what digests stand for is kept between two runs; it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mosaic" / "images"
