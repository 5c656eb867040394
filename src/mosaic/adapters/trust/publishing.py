"""Publishing a version: new entries in a channel's role, signed with the keys of the publishing machine alone.

Everything that is named is a real file: the Target's own content, and each
app's manifest, byte for byte as the registry has it. Versions count through the
whole repository; each channel's role has the newest number that it was given.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuf.api.metadata import TargetFile, Targets

from mosaic.adapters.trust.edition import Edition, Revision
from mosaic.adapters.trust.public_files import CHANNEL_ROLE, TARGETS
from mosaic.adapters.trust.refusals import ChannelMissing
from mosaic.adapters.trust.repository import Repository, targets_of
from mosaic.core.app_name import RULE, is_app_name
from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.core.target import (
    Target,
    TargetUnusable,
    content,
    custom,
    digest_of,
    manifest_path,
    read_target,
    require_usable,
)
from mosaic.core.target_choice import KEPT_VERSIONS, still_listed

COUNTER = "x-mosaic-version"
"""The newest version number that a channel was given, in what its key signs."""


class ManifestDiffers(Refused):
    """An app's manifest is not the one that its uri names."""

    code = "manifest-differs"

    def __init__(self, app: str) -> None:
        super().__init__(
            f"the manifest of {app} does not have the digest in its uri", hint="push the app again, and then publish it"
        )


class VersionMissing(NotFound):
    """No Target of that version is listed."""

    code = "version-missing"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"there is no version {version} in the repository",
            hint="list the versions that there are; old ones leave the list",
        )


class PublishedMeanwhile(Conflict):
    """The channel has another newest version than the one that was known when publishing began.

    `newest` is that one, None where none is left.
    """

    code = "published-meanwhile"

    def __init__(self, channel: str, newest: Target | None) -> None:
        self.newest = newest
        what = "its newest version was withdrawn" if newest is None else f"{newest.path} is its newest version now"
        super().__init__(
            f"somebody else changed the channel {channel} while this was being published: {what}",
            hint="get the newest commit (`git pull`), and publish that; nothing was signed",
        )


@dataclass(frozen=True, slots=True)
class Release:
    """An app as a registry has it: where it is, by digest, and the bytes of its manifest."""

    uri: str
    manifest: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """The version's Targets, one for each kind of hardware. Not new: they were there, with just these apps."""

    targets: tuple[Target, ...]
    is_new: bool


def publish(
    repository: Repository,
    *,
    channel: str,
    hardware: Sequence[str],
    apps: Mapping[str, Release],
    now_ns: int,
    commit: str | None = None,
    roll_out: RollOut = EVERYONE,
    forced: bool = False,
    kept_versions: int = KEPT_VERSIONS,
    known: int | None = None,
) -> Published:
    """List a new version of a channel's apps, unless nothing changed since its newest one and it is not `forced`.

    `known` is the channel's newest version as its caller knows it, 0 for none; None: whichever it is.

    Raises:
        PublishedMeanwhile: the channel's newest version is another one.
        TargetUnusable, ManifestDiffers, ChannelMissing: it cannot be published like this.
        SigningKeyMissing: a key of the channel, of snapshot or of timestamp is not at hand.
        RepositoryInUse, RepositoryMissing, RepositoryAltered, TargetUnreadable: see `Repository`.
    """
    uris = {app: release.uri for app, release in apps.items()}
    wanted = [Target(channel, one, 0, uris, now_ns // 10**9, commit, roll_out) for one in dict.fromkeys(hardware)]
    if not wanted:
        raise TargetUnusable("no kind of hardware was named that the version is for")
    for target in wanted:
        require_usable(target)
    for app, release in apps.items():
        # Older versions may name others, and stay listed; no Hive takes those.
        if not is_app_name(app):
            raise TargetUnusable(f"{app[:80]!r} cannot be an app's name: use {RULE}")
        if hashlib.sha256(release.manifest).hexdigest() != digest_of(release.uri):
            raise ManifestDiffers(app)
    with repository.revising(now_ns) as revision:
        role = _role(revision.edition, channel)
        listed = [one for one in targets_of(revision.edition) if one.channel == channel]
        if known not in (None, newest_version(listed, channel)):
            raise PublishedMeanwhile(channel, listed[0] if listed else None)
        newest = [_newest(listed, target.hardware) for target in wanted]
        there = [one for one in newest if one is not None and one.apps == uris]
        if len(there) == len(wanted) and not forced:
            return Published(tuple(there), is_new=False)
        version = next_version(revision.edition)
        new = [replace(target, version=version) for target in wanted]
        entries = _new_entries(channel, new, apps)
        role.unrecognized_fields[COUNTER] = version
        role.targets.update({path: entry for path, (entry, _) in entries.items()})
        _keep_only(role, still_listed([*listed, *new], most=kept_versions))
        files = {f"{TARGETS}/{name}": data for entry, data in entries.values() for name in entry.get_prefixed_paths()}
        revision.write(repository.files, [CHANNEL_ROLE + channel], named=files)
    return Published(tuple(new), is_new=True)


def set_roll_out(repository: Repository, version: int, roll_out: RollOut, *, now_ns: int) -> list[Target]:
    """Change who takes a version: a larger share, another group, a pause. The version itself stays what it is.

    Raises:
        VersionMissing: it is not listed.
        TargetUnusable, SigningKeyMissing and the errors of `Repository`.
    """
    with repository.revising(now_ns) as revision:
        found = [one for one in targets_of(revision.edition) if one.version == version]
        if not found:
            raise VersionMissing(version)
        changed = [replace(one, roll_out=roll_out) for one in found]
        for target in changed:
            require_usable(target)
            entry = _role(revision.edition, target.channel).targets[target.path]
            entry.unrecognized_fields["custom"] = custom(target)
        revision.write(repository.files, sorted({CHANNEL_ROLE + one.channel for one in changed}))
    return changed


def withdraw(repository: Repository, version: int, *, now_ns: int) -> list[Target]:
    """Take a version from the list, and return what it was. Devices go back to the newest that is left for them.

    After a theft of a channel's key look at the list first, and withdraw what is not yours: a change of keys signs
    all that is listed again. Raises VersionMissing, SigningKeyMissing and the errors of `Repository`.
    """
    with repository.revising(now_ns) as revision:
        listed = targets_of(revision.edition)
        found = [one for one in listed if one.version == version]
        if not found:
            raise VersionMissing(version)
        for channel in {one.channel for one in found}:
            left = [one for one in listed if one.channel == channel and one.version != version]
            _keep_only(_role(revision.edition, channel), left)
        revision.write(repository.files, sorted({CHANNEL_ROLE + one.channel for one in found}))
    return found


def refresh(repository: Repository, *, now_ns: int) -> None:
    """Sign the timestamp again, and whatever else is due of what the publishing machine has keys for.

    Run it daily. Raises SigningKeyMissing, and the errors of `Repository`.
    """
    with repository.revising(now_ns) as revision:
        revision.write(repository.files, [role for role in revision.edition.channels if _can_renew(revision, role)])


def newest_version(listed: Sequence[Target], channel: str) -> int:
    """Return the largest number among a channel's Targets, 0 for none."""
    return max((one.version for one in listed if one.channel == channel), default=0)


def next_version(edition: Edition) -> int:
    """Return the number of the next version in the whole repository."""
    counters = [channel.signed.unrecognized_fields.get(COUNTER) for channel in edition.channels.values()]
    return 1 + max([0, *(one for one in counters if isinstance(one, int)), *(t.version for t in targets_of(edition))])


def _can_renew(revision: Revision, role: str) -> bool:
    edition = revision.edition
    at_hand = [keyid for keyid in edition.keyids(role) if any(folder.has(keyid) for folder in revision.folders)]
    return revision.is_due(role) and len(at_hand) >= edition.threshold(role)


def _role(edition: Edition, channel: str) -> Targets:
    found = edition.channels.get(CHANNEL_ROLE + channel)
    if found is None:
        raise ChannelMissing(channel, [role.removeprefix(CHANNEL_ROLE) for role in edition.channels])
    return found.signed


def _newest(listed: Sequence[Target], hardware: str) -> Target | None:
    return max((one for one in listed if one.hardware == hardware), key=lambda one: one.version, default=None)


def _new_entries(
    channel: str, new: Sequence[Target], apps: Mapping[str, Release]
) -> dict[str, tuple[TargetFile, bytes]]:
    """Return each path with its entry and its file's bytes. The same manifest always gives the same entry."""
    entries: dict[str, tuple[TargetFile, bytes]] = {}
    for app, release in apps.items():
        path = manifest_path(channel, app, release.uri)
        entries[path] = (TargetFile.from_data(path, release.manifest, ["sha256"]), release.manifest)
    for target in new:
        text = json.dumps(content(target), indent=2, sort_keys=True).encode() + b"\n"
        entry = TargetFile.from_data(target.path, text, ["sha256"])
        entry.unrecognized_fields["custom"] = custom(target)
        entries[target.path] = (entry, text)
    return entries


def _keep_only(role: Targets, listed: Sequence[Target]) -> None:
    """Take out of a role what no listed Target needs. The files stay: clients of the older edition read them."""
    needed = {target.path for target in listed}
    needed |= {target.manifest_path(app) for target in listed for app in target.apps}
    unknown = {path for path, entry in role.targets.items() if _is_foreign(path, entry)}
    role.targets = {path: entry for path, entry in role.targets.items() if path in needed | unknown}


def _is_foreign(path: str, entry: TargetFile) -> bool:
    """Whether neither this program nor another of its versions listed it: then it is not ours to take out."""
    return path.split("/")[1:2] != ["apps"] and read_target(path, entry.custom) is None
