"""Reading a service's `volumes`: short or long, each as one of the kinds that matter here."""

import re
from dataclasses import dataclass, field
from posixpath import normpath
from typing import TypeAlias

from mosaic.core.compose_document import ComposeInvalid, Json, as_list, as_mapping, as_text, is_true
from mosaic.core.ids import ServiceName

_VOLUME_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
_MODES = re.compile(r"^(ro|rw|z|Z|nocopy|cached|delegated|consistent|r?private|r?slave|r?shared)$")


@dataclass(frozen=True, slots=True)
class NamedMount:
    """A declared volume. `options` is the long syntax's `volume:` (nocopy, subpath)."""

    volume: str
    target: str
    read_only: bool = False
    options: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnonymousMount:
    """A volume without a name: a path of the container that should last."""

    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class BindMount:
    """A path of the host, or of the package when relative. `source` is normalised; `~` is left as it is."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """Memory. `entry` is the long syntax as it was."""

    target: str
    entry: dict[str, Json]


@dataclass(frozen=True, slots=True)
class OtherMount:
    """A kind that Mosaic does not know (npipe, cluster, image, …)."""

    kind: str
    target: str


Mount: TypeAlias = NamedMount | AnonymousMount | BindMount | TmpfsMount | OtherMount


def read_mounts(service: ServiceName, value: Json) -> list[Mount]:
    """Return every mount of a service, in order.

    Raises:
        ComposeInvalid: an entry that is no mount.
    """
    where = f"volumes of service {service}"
    return [
        _long(entry, where) if isinstance(entry, dict) else _short(as_text(entry, where), where)
        for entry in as_list(value, where)
    ]


def _short(text: str, where: str) -> Mount:
    parts = text.split(":")
    if len(parts) == 1:
        return AnonymousMount(_target(text, where))
    if len(parts) > 3:
        raise ComposeInvalid(f"{where} has {text!r}, which has too many colons", hint="write SOURCE:TARGET[:ro]")
    source, target = parts[0], _target(parts[1], where)
    modes = parts[2].split(",") if len(parts) == 3 else []
    if not all(_MODES.match(mode) for mode in modes):
        raise ComposeInvalid(f"{where} has {text!r} with an unknown mode", hint="write SOURCE:TARGET, or add :ro")
    read_only = "ro" in modes
    if source.startswith((".", "/", "~")):
        return BindMount(_normal(source), target, read_only)
    options: dict[str, Json] = {"nocopy": True} if "nocopy" in modes else {}
    return NamedMount(_volume(source, where), target, read_only, options)


def _long(entry: dict[str, Json], where: str) -> Mount:
    kind = as_text(entry.get("type") or "volume", where)
    target = _target(as_text(entry.get("target"), f"target in {where}"), where)
    read_only = is_true(entry.get("read_only"))
    source = entry.get("source")
    match kind:
        case "volume" if source is None:
            return AnonymousMount(target, read_only)
        case "volume":
            options = as_mapping(entry.get("volume"), f"volume in {where}")
            return NamedMount(_volume(as_text(source, where), where), target, read_only, options)
        case "bind":
            path = as_text(source, f"source in {where}")
            # compose reads a bind's relative source without a leading dot as one with it.
            return BindMount(_normal(path), target, read_only)
        case "tmpfs":
            return TmpfsMount(target, entry)
        case _:
            return OtherMount(kind, target)


def _volume(name: str, where: str) -> str:
    if not _VOLUME_NAME.match(name):
        raise ComposeInvalid(
            f"{where} has {name!r}, which is no volume's name", hint="write ./PATH for a path of the package"
        )
    return name


def _target(path: str, where: str) -> str:
    if not path.startswith("/"):
        raise ComposeInvalid(f"{where} mounts to {path!r}, which is not absolute", hint="begin the target with a slash")
    return _normal(path)


def _normal(path: str) -> str:
    # normpath keeps two leading slashes, which would spell a forbidden path differently.
    return normpath(path).replace("//", "/")
