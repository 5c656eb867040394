"""A Target: one signed version of the set of apps of a channel, for one kind of hardware.

    stable/raspberrypi3-64-144              the Target: its path in the repository, and its custom map
    stable/apps/httpd/0bbfe1b8…             the manifest of one of its apps, named by its digest

The custom map has the fields of seed 002 (`docker_compose_apps`, `hardwareIds`,
`tags`, `version` as text, …), so that what reads those reads these. What is
true of a version for ever (`content`) and who takes it now (`rollOut`) are kept
apart. Signing and fetching are left to `adapters.trust`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mosaic.core.compose_document import Json
from mosaic.core.errors import Corrupt, Refused
from mosaic.core.roll_out import EVERYONE, RollOut, RollOutUnusable

FORMAT = "MOSAIC"

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_URI = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/\[\]-]{0,511}@sha256:([0-9a-f]{64})", re.ASCII)
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


class TargetUnusable(Refused):
    """A Target cannot be published like this."""

    code = "target-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            reason, hint="names are a-z, 0-9, '.', '_' and '-'; an app is given as registry/repository@sha256:…"
        )


class TargetUnreadable(Corrupt):
    """A signed Target says what makes no sense here."""

    code = "target-unreadable"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"the Target {path[:200]!r} cannot be used: {reason}",
            hint="publish the apps again; a newer Mosaic may be needed on this machine",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """`apps` is from an app's name to where its package is, by digest. `created_at` is in seconds since 1970 UTC."""

    channel: str
    hardware: str
    version: int
    apps: Mapping[str, str]
    created_at: int
    commit: str | None = None
    roll_out: RollOut = field(default=EVERYONE)

    @property
    def path(self) -> str:
        """The Target's name in its repository."""
        return f"{self.channel}/{self.hardware}-{self.version}"

    def manifest_path(self, app: str) -> str:
        """Return the name under which the repository has an app's manifest."""
        return manifest_path(self.channel, app, self.apps[app])


def manifest_path(channel: str, app: str, uri: str) -> str:
    """Return the name under which a channel has the manifest that `uri` names."""
    return f"{channel}/apps/{app}/{digest_of(uri)}"


def digest_of(uri: str) -> str:
    """Return the hex digest in an app's uri. Raises TargetUnusable: it names no digest."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise TargetUnusable(f"{uri[:200]!r} does not name a package by its digest")
    return found[1]


def require_channel(channel: str) -> None:
    """Raise TargetUnusable for what cannot be a channel's name: it becomes a path and a pattern."""
    if not _WORD.fullmatch(channel):
        raise TargetUnusable(f"{channel[:80]!r} cannot be a channel's name")


def require_usable(target: Target) -> None:
    """Raise TargetUnusable unless the Target can be published, and read again as the same."""
    require_channel(target.channel)
    if not _WORD.fullmatch(target.hardware):
        raise TargetUnusable(f"{target.hardware[:80]!r} cannot be the name of a kind of hardware")
    for app, uri in target.apps.items():
        if not _APP.fullmatch(app):
            raise TargetUnusable(f"{app[:80]!r} cannot be an app's name")
        digest_of(uri)
    for group in target.roll_out.groups:
        if not _WORD.fullmatch(group):
            raise TargetUnusable(f"{group[:80]!r} cannot be the name of a group of Devices")


def content(target: Target) -> dict[str, Json]:
    """Return what is true of this version for ever, with the names that the seed's system has for it."""
    fields: dict[str, Json] = {
        "name": f"{target.hardware}-{target.channel}",
        "version": str(target.version),
        "hardwareIds": [target.hardware],
        "tags": [target.channel],
        "targetFormat": FORMAT,
        "docker_compose_apps": {app: {"uri": uri} for app, uri in sorted(target.apps.items())},
        "createdAt": instant(target.created_at),
    }
    return fields if target.commit is None else {**fields, "commit": target.commit}


def custom(target: Target) -> dict[str, Json]:
    """Return the Target's custom map: its content, and who takes it now."""
    roll_out: dict[str, Json] = {
        "percentage": target.roll_out.percentage,
        "groups": [*sorted(target.roll_out.groups)],
        "paused": target.roll_out.paused,
    }
    return {**content(target), "rollOut": roll_out}


def instant(seconds: int) -> str:
    """Return an instant as Targets write it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_INSTANT)


def read_target(path: str, found: object) -> Target | None:
    """Read a path and its custom map; None for what is no Target of ours (an app's manifest, another format).

    Raises:
        TargetUnreadable: it says that it is one, and is not.
    """
    if not isinstance(found, dict) or found.get("targetFormat") != FORMAT:
        return None
    channel, _, name = path.partition("/")
    hardware, _, version = name.rpartition("-")
    if not (_WORD.fullmatch(channel) and _WORD.fullmatch(hardware) and _VERSION.fullmatch(version)):
        raise TargetUnreadable(path, "its name is not that of a Target")
    if found.get("version") != version or found.get("hardwareIds") != [hardware] or found.get("tags") != [channel]:
        raise TargetUnreadable(path, "its name and its content disagree")
    commit = found.get("commit")
    if not isinstance(commit, str | None):
        raise TargetUnreadable(path, "its commit is not text")
    return Target(
        channel=channel,
        hardware=hardware,
        version=int(version),
        apps=_apps(path, found.get("docker_compose_apps")),
        created_at=_seconds(path, found.get("createdAt")),
        commit=commit,
        roll_out=_roll_out(path, found.get("rollOut")),
    )


def _apps(path: str, found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        raise TargetUnreadable(path, "it has no map of apps")
    apps: dict[str, str] = {}
    for app, entry in found.items():
        uri = entry.get("uri") if isinstance(entry, dict) else None
        if not isinstance(app, str) or not _APP.fullmatch(app):
            raise TargetUnreadable(path, f"{str(app)[:80]!r} cannot be an app's name")
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise TargetUnreadable(path, f"its app {app} is not named by a digest")
        apps[app] = uri
    return apps


def _seconds(path: str, found: object) -> int:
    try:
        seconds = int(datetime.strptime(str(found), _INSTANT).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise TargetUnreadable(path, "it does not say when it was made") from None
    if seconds < 0:
        # The years before 1000 would be written in a way that is not read again.
        raise TargetUnreadable(path, "it says that it was made before 1970")
    return seconds


def _roll_out(path: str, found: object) -> RollOut:
    if found is None:
        return EVERYONE
    if isinstance(found, dict):
        percentage, groups, paused = found.get("percentage", 100), found.get("groups", []), found.get("paused", False)
        if type(percentage) is int and isinstance(groups, list) and isinstance(paused, bool):
            names = [group for group in groups if isinstance(group, str)]
            try:
                return RollOut(percentage, frozenset(names), paused)
            except RollOutUnusable as error:
                raise TargetUnreadable(path, error.message) from None
    raise TargetUnreadable(path, "its roll-out cannot be read")
