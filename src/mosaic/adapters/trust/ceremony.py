"""Making a repository's keys, adding to them, changing them. All of it needs keys that are kept offline.

A change of keys is seen by clients at two places, the next root and what the
changed role signs, and these are two files. So the role's metadata is first
signed with older and newer keys, then the root is written, then the metadata
is signed with the newer ones alone: a client that comes at any moment trusts
what it finds. Where the older keys are lost the first step falls away; for a
moment clients refuse what they find, and keep what they have.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Snapshot, Targets, Timestamp

from mosaic.adapters.trust.edition import Edition, Revision, add_signatures, moment, sign
from mosaic.adapters.trust.key_folder import KeyFolder, SigningKeyMissing
from mosaic.adapters.trust.public_files import CHANNEL_ROLE, METADATA
from mosaic.adapters.trust.repository import Repository
from mosaic.core.errors import NotFound, Refused
from mosaic.core.target import require_channel

_OFFLINE = ("root", "targets")
_ONLINE = ("snapshot", "timestamp")


class RepositoryExists(Refused):
    """There is a repository, or these keys have another one, or the channel is there already."""

    code = "repository-exists"

    def __init__(self, what: str) -> None:
        super().__init__(what, hint="name another folder; a repository and its keys are made once")


class RoleUnknown(NotFound):
    """The repository has no role of that name."""

    code = "role-unknown"

    def __init__(self, role: str, known: Sequence[str]) -> None:
        super().__init__(f"no keys sign for {role!r} here", hint=f"name one of {', '.join(known)}")


class QuorumImpossible(Refused):
    """More keys would have to sign than there are."""

    code = "quorum-impossible"

    def __init__(self, role: str, *, keys: int, threshold: int) -> None:
        super().__init__(
            f"{role} has {keys} keys, so {threshold} of them cannot sign", hint=f"give a number from 1 to {keys}"
        )


@dataclass(frozen=True, slots=True)
class Quorum:
    """How many keys a role has, and how many of them must sign."""

    keys: int = 1
    threshold: int = 1


def create(
    repository: Repository,
    *,
    channels: Sequence[str],
    now_ns: int,
    root: Quorum = Quorum(),
    targets: Quorum = Quorum(),
) -> bytes:
    """Make all keys and the first edition, without any Target; return the root that Devices are to trust.

    Killed before its end it may be made again.

    Raises:
        RepositoryExists: there is one, or the keys' folder belongs to another one.
        QuorumImpossible, TargetUnusable, SigningKeyMissing (no offline folder), RepositoryInUse.
    """
    offline = _offline(repository)
    for channel in channels:
        require_channel(channel)
    with repository.files.locked():
        _require_new(repository)
        for folder in repository.folders:
            folder.forget_root()
        first = Root(consistent_snapshot=True)
        for role, quorum, folder in (
            ("root", root, offline),
            ("targets", targets, offline),
            *((role, Quorum(), repository.online) for role in _ONLINE),
        ):
            _require_possible(role, quorum)
            for _ in range(quorum.keys):
                first.add_key(folder.draw(role), role)
            first.roles[role].threshold = quorum.threshold
        edition = Edition(
            root=Metadata(first),
            timestamp=Metadata(Timestamp()),
            snapshot=Metadata(Snapshot()),
            targets=Metadata(Targets(delegations=Delegations(keys={}, roles={}))),
            channels={},
        )
        for channel in channels:
            _delegate(edition, channel, repository.online.draw(CHANNEL_ROLE + channel))
        revision = Revision(edition, repository.folders, now_ns // 10**9, repository.periods)
        content = _signed_root(revision, first, version=1)
        repository.files.put(f"{METADATA}/1.root.json", content)
        for folder in repository.folders:
            folder.keep_root(content)
        revision.write(repository.files, ["targets", *edition.channels])
    return content


def add_channel(repository: Repository, channel: str, *, now_ns: int) -> None:
    """Add a channel with a key of its own. Raises RepositoryExists, TargetUnusable, SigningKeyMissing and so on."""
    require_channel(channel)
    with repository.revising(now_ns, interrupted=True) as revision:
        role = CHANNEL_ROLE + channel
        if role in revision.edition.channels:
            raise RepositoryExists(f"the repository has a channel {channel} already")
        _require_signers(revision, "targets")
        _delegate(revision.edition, channel, repository.online.draw(role))
        revision.write(repository.files, ["targets", role])


def rotate(repository: Repository, role: str, *, now_ns: int) -> None:
    """Put new keys in place of all of a role's, as many as it has. What the older ones sign counts no more.

    After a theft of online keys rotate `snapshot` and `timestamp` both: then clients also forget how far the thief
    had counted. Raises RoleUnknown, SigningKeyMissing and the errors of `Repository`.
    """
    with repository.revising(now_ns, interrupted=True) as revision:
        older = _keyids(revision.edition, role)
        threshold = revision.edition.threshold(role)
        _require_signers(revision, _delegator(revision.edition, role))
        newer = [_folder(repository, role).draw(role) for _ in older]
        _change(repository, revision, role, older=older, newer=newer, threshold=threshold)


def add_key(repository: Repository, role: str, *, now_ns: int, threshold: int | None = None) -> None:
    """Add a key to a role; from then on `threshold` of them must sign, one more than until now when it is None.

    Raises RoleUnknown, QuorumImpossible, SigningKeyMissing and the errors of `Repository`.
    """
    with repository.revising(now_ns, interrupted=True) as revision:
        count = len(_keyids(revision.edition, role)) + 1
        needed = revision.edition.threshold(role) + 1 if threshold is None else threshold
        _require_possible(role, Quorum(count, needed))
        _require_signers(revision, _delegator(revision.edition, role))
        newer = [_folder(repository, role).draw(role)]
        _change(repository, revision, role, older=[], newer=newer, threshold=needed)


def renew(repository: Repository, role: str, *, now_ns: int) -> None:
    """Sign a role again for another period, unchanged. Raises RoleUnknown, SigningKeyMissing and so on."""
    with repository.revising(now_ns) as revision:
        _keyids(revision.edition, role)
        if role == "root":
            _replace_root(repository, revision, copy.deepcopy(revision.edition.root.signed))
        else:
            revision.also_signing = {role: ()}
            revision.write(repository.files, _resigned(role))


def _change(
    repository: Repository,
    revision: Revision,
    role: str,
    *,
    older: Sequence[str],
    newer: Sequence[Key],
    threshold: int,
) -> None:
    """Take the older keys from a role, give it the newer ones, and write what follows in an order that is safe."""
    edition = revision.edition
    if role in edition.channels:
        _swap(edition.targets.signed, role, older, newer)
        edition.delegated()[role].threshold = threshold
        revision.write(repository.files, ["targets", role])
        return
    root = copy.deepcopy(edition.root.signed)
    _swap(root, role, older, newer)
    root.roles[role].threshold = threshold
    if role == "root":
        _replace_root(repository, revision, root)
        return
    content = _signed_root(revision, root, version=root.version + 1)
    revision.also_signing = {role: [key.keyid for key in newer]}
    if len([keyid for keyid in edition.keyids(role) if _at_hand(revision, keyid)]) >= edition.threshold(role):
        revision.write(repository.files, _resigned(role))
    repository.files.put(f"{METADATA}/{root.version}.root.json", content)
    edition.root = Metadata(root)
    revision.also_signing = {role: ()}
    revision.write(repository.files, _resigned(role))
    # Last: until now an interrupted change is told from a strange one by the older root.
    _keep_root(repository, content)


def _replace_root(repository: Repository, revision: Revision, root: Root) -> None:
    content = _signed_root(revision, root, version=root.version + 1)
    repository.files.put(f"{METADATA}/{root.version}.root.json", content)
    _keep_root(repository, content)


def _signed_root(revision: Revision, root: Root, *, version: int) -> bytes:
    """Return a root signed by enough of the keys of the root before it, and by enough of its own."""
    root.version = version
    root.expires = moment(revision.now + revision.periods.root)
    metadata = Metadata(root)
    before, own = revision.edition.root.signed.roles["root"], root.roles["root"]
    sign(metadata, "root", before.keyids, before.threshold, revision.folders)
    add_signatures(metadata, [keyid for keyid in own.keyids if keyid not in before.keyids], revision.folders)
    found = len([keyid for keyid in own.keyids if keyid in metadata.signatures])
    if found < own.threshold:
        raise SigningKeyMissing("root", needed=own.threshold, found=found)
    return metadata.to_bytes()


def _delegate(edition: Edition, channel: str, key: Key) -> None:
    role = CHANNEL_ROLE + channel
    # One pattern for Targets, one for manifests: a star stands for no slash.
    paths = [f"{channel}/*", f"{channel}/apps/*/*"]
    edition.delegated()[role] = DelegatedRole(role, [], 1, terminating=True, paths=paths)
    edition.targets.signed.add_key(key, role)
    edition.channels[role] = Metadata(Targets())


def _swap(delegator: Root | Targets, role: str, older: Sequence[str], newer: Sequence[Key]) -> None:
    for keyid in older:
        delegator.revoke_key(keyid, role)
    for key in newer:
        delegator.add_key(key, role)


def _resigned(role: str) -> list[str]:
    """Return what has to be named as changed for a role to be signed again; the online ones always are."""
    return [] if role in _ONLINE else [role]


def _keyids(edition: Edition, role: str) -> list[str]:
    known = [*_OFFLINE, *_ONLINE, *sorted(edition.channels)]
    if role not in known:
        raise RoleUnknown(role, known)
    return list(edition.keyids(role))


def _delegator(edition: Edition, role: str) -> str:
    return "targets" if role in edition.channels else "root"


def _require_signers(revision: Revision, role: str) -> None:
    """Open a role's keys before any is drawn: a wrong passphrase must not leave keys that nobody uses."""
    needed = revision.edition.threshold(role)
    keyids = revision.edition.keyids(role)
    found = [keyid for keyid in keyids if any(folder.signer(keyid) is not None for folder in revision.folders)]
    if len(found) < needed:
        raise SigningKeyMissing(role, needed=needed, found=len(found))


def _at_hand(revision: Revision, keyid: str) -> bool:
    return any(folder.has(keyid) for folder in revision.folders)


def _folder(repository: Repository, role: str) -> KeyFolder:
    return _offline(repository) if role in _OFFLINE else repository.online


def _offline(repository: Repository) -> KeyFolder:
    if repository.offline is None:
        raise SigningKeyMissing("root", needed=1, found=0)
    return repository.offline


def _keep_root(repository: Repository, content: bytes) -> None:
    for folder in repository.folders:
        folder.keep_root(content)


def _require_new(repository: Repository) -> None:
    if repository.files.get(f"{METADATA}/timestamp.json") is not None:
        raise RepositoryExists(f"there is a repository in {repository.files.folder} already")
    begun = repository.files.get(f"{METADATA}/1.root.json")
    if any(root not in (None, begun) for root in (folder.root() for folder in repository.folders)):
        raise RepositoryExists("the keys in this folder belong to another repository")


def _require_possible(role: str, quorum: Quorum) -> None:
    if not 1 <= quorum.threshold <= quorum.keys:
        raise QuorumImpossible(role, keys=quorum.keys, threshold=quorum.threshold)
