"""Rewriting the sections beside `services` and `volumes`: networks, secrets and configs."""

from collections.abc import Set
from posixpath import join, normpath

from mosaic.core.compose_document import ComposeInvalid, Json, Section, as_text, is_true


def render_networks(networks: Section) -> dict[str, Json]:
    """Return the networks without names of their own: the project's name keeps two Devices apart.

    One that the owner granted to be external stays so, under its own name.
    """
    return {name: _network(entry) for name, entry in networks.items()}


def _network(entry: dict[str, Json]) -> Json:
    kept = {key: value for key, value in entry.items() if not key.startswith("x-")}
    # Read as policy reads it: text such as "false" asks for nothing, so no grant stands behind the name beside it.
    if not is_true(kept.get("external")):
        kept.pop("name", None)
        kept.pop("external", None)
    return kept


def render_files(section: str, entries: Section, bundle: str, package: Set[str]) -> dict[str, Json]:
    """Return secrets or configs with their files resolved in the package.

    Raises:
        ComposeInvalid: the package has no such file.
    """
    return {name: _file(f"{section}.{name}", entry, bundle, package) for name, entry in entries.items()}


def _file(where: str, entry: dict[str, Json], bundle: str, package: Set[str]) -> Json:
    kept = {key: value for key, value in entry.items() if not key.startswith("x-") and key not in ("name", "external")}
    if "file" not in kept:
        return kept
    path = normpath(as_text(kept["file"], where))
    if path not in package:
        raise ComposeInvalid(
            f"{where} reads {path}, and the package has no such file", hint="put the file beside the compose file"
        )
    return {**kept, "file": join(bundle, path)}
