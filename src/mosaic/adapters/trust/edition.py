"""One edition of a repository: all of its signed metadata, read and checked, changed in memory, written.

It is read from the root that the keys belong to, every signature and hash
checked, because a publisher signs again what he reads. It is written so that
`timestamp.json`, by which clients find all else, comes last: whoever reads at
any moment, and a kill between any two files, meets the older edition or the
newer one, whole. A later writer overwrites what a killed one left behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, MetaFile, Root, Signed, Snapshot, Targets, Timestamp

from mosaic.adapters.trust.key_folder import KeyFolder, SigningKeyMissing, signers
from mosaic.adapters.trust.public_files import METADATA, TIMESTAMP, PublicFiles
from mosaic.core.errors import Conflict, Corrupt, NotFound
from mosaic.core.expiry import Periods, is_due

_Kind = TypeVar("_Kind", Root, Timestamp, Snapshot, Targets)


class RepositoryMissing(NotFound):
    """There is no repository of signed Targets in the folder, or no root beside the keys."""

    code = "repository-missing"

    def __init__(self, what: str) -> None:
        super().__init__(what, hint="name the folder where it is, or make one: its keys are made first")


class RepositoryAltered(Corrupt):
    """The repository's folder holds metadata that these keys did not sign."""

    code = "repository-altered"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} of the repository is not what its keys signed: {reason}",
            hint="nothing was signed; find out who changed the folder, and bring it back from a copy. "
            "A change of keys that was interrupted is ended by making it again",
        )


class RepositoryMoved(Conflict):
    """Somebody put another edition into the folder, past its lock, while this one was made."""

    code = "repository-moved"

    def __init__(self) -> None:
        super().__init__(
            "the repository became another one while it was being signed, and not through this machine's lock",
            hint="let one machine write into its folder; then try again",
        )


@dataclass(slots=True)
class Edition:
    """The newest root, and the metadata that `timestamp.json` names."""

    root: Metadata[Root]
    timestamp: Metadata[Timestamp]
    snapshot: Metadata[Snapshot]
    targets: Metadata[Targets]
    channels: dict[str, Metadata[Targets]]

    def role(self, name: str) -> Metadata[Root] | Metadata[Timestamp] | Metadata[Snapshot] | Metadata[Targets]:
        """Return a role's metadata by the role's name."""
        match name:
            case "root":
                return self.root
            case "timestamp":
                return self.timestamp
            case "snapshot":
                return self.snapshot
            case "targets":
                return self.targets
        return self.channels[name]

    def delegated(self) -> dict[str, DelegatedRole]:
        """Return the channels' roles as the targets role delegates to them."""
        found = self.targets.signed.delegations
        return {} if found is None or found.roles is None else found.roles

    def keyids(self, name: str) -> list[str]:
        """Return the keys that may sign a role."""
        return self._delegation(name)[0]

    def threshold(self, name: str) -> int:
        """Return how many of its keys must sign a role."""
        return self._delegation(name)[1]

    def _delegation(self, name: str) -> tuple[list[str], int]:
        role = self.root.signed.roles.get(name) or self.delegated()[name]
        return role.keyids, role.threshold


def read_edition(files: PublicFiles, trusted_root: bytes | None, *, interrupted: bool = False) -> Edition:
    """Read and check the newest edition.

    `interrupted` also takes what the root before the newest lets sign, when that one is not the trusted one yet: so it
    lies where a change of keys was killed whose older keys are lost.

    Raises:
        RepositoryMissing: there is none.
        RepositoryAltered: something is not signed, or not what it should be.
    """
    if trusted_root is None:
        raise RepositoryMissing("there is no root beside the keys that would sign")
    older, root = _roots(files, trusted_root)
    roots = [one for one in (root, older if interrupted else None) if one is not None]
    timestamp = _top(files, "timestamp.json", Timestamp, None, roots)
    named = timestamp.signed.snapshot_meta
    snapshot = _top(files, f"{named.version}.snapshot.json", Snapshot, named, roots)
    metas = snapshot.signed.meta
    targets = _top(files, f"{metas['targets.json'].version}.targets.json", Targets, metas["targets.json"], roots)
    edition = Edition(root, timestamp, snapshot, targets, {})
    for role in edition.delegated():
        meta = metas.get(f"{role}.json")
        if meta is None:
            raise RepositoryAltered(role, "the snapshot does not name it")
        edition.channels[role] = _read(files, f"{meta.version}.{role}.json", Targets, meta, role, [targets.signed])
    return edition


@dataclass(slots=True)
class Revision:
    """The next edition while it is made.

    `also_signing` has keys that sign a role beside those that must. `begun_on` is the timestamp that was there when
    the edition was read, None for a repository without one.
    """

    edition: Edition
    folders: Sequence[KeyFolder]
    now: int
    periods: Periods
    also_signing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    begun_on: bytes | None = None

    def write(
        self, files: PublicFiles, changed: Sequence[str], *, named: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        """Sign and write the changed roles (channels and targets), then snapshot and timestamp as needed.

        `named` are the files that they name anew, each by its whole name.

        Raises:
            SigningKeyMissing: too few keys of a role are at hand. All are asked before anything is written.
            RepositoryMoved: the edition that this was made from is not the newest any more.
        """
        edition = self.edition
        drafts: dict[str, bytes] = {}
        for name in changed:
            metadata = edition.targets if name == "targets" else edition.channels[name]
            content = self._signed(name, metadata)
            edition.snapshot.signed.meta[f"{name}.json"] = _meta(metadata.signed, content)
            drafts[f"{metadata.signed.version}.{name}.json"] = content
        if changed or "snapshot" in self.also_signing or self.is_due("snapshot"):
            content = self._signed("snapshot", edition.snapshot)
            edition.timestamp.signed.snapshot_meta = _meta(edition.snapshot.signed, content)
            drafts[f"{edition.snapshot.signed.version}.snapshot.json"] = content
        timestamp = self._signed("timestamp", edition.timestamp)
        self._require_unmoved(files)
        for name, content in named.items():
            if files.get(name) != content:
                files.put(name, content)
        for name, content in drafts.items():
            files.put(f"{METADATA}/{name}", content)
        self._require_unmoved(files)
        files.put(TIMESTAMP, timestamp)
        self.begun_on = timestamp

    def is_due(self, name: str) -> bool:
        """Whether half of the time of a role is over."""
        expires_at = int(self.edition.role(name).signed.expires.timestamp())
        return is_due(expires_at=expires_at, period=self.periods.of(name), now=self.now)

    def _require_unmoved(self, files: PublicFiles) -> None:
        if files.get(TIMESTAMP) != self.begun_on:
            raise RepositoryMoved

    def _signed(self, name: str, metadata: Metadata[_Kind]) -> bytes:
        # A first version has no signature yet; every later one is the one before it plus one.
        if metadata.signatures:
            metadata.signed.version += 1
        metadata.signed.expires = moment(self.now + self.periods.of(name))
        edition = self.edition
        sign(metadata, name, edition.keyids(name), edition.threshold(name), self.folders)
        add_signatures(metadata, self.also_signing.get(name, ()), self.folders)
        return metadata.to_bytes()


def moment(seconds: int) -> datetime:
    """Return an instant as the library has it."""
    return datetime.fromtimestamp(seconds, UTC)


def sign(
    metadata: Metadata[_Kind], name: str, keyids: Sequence[str], threshold: int, folders: Sequence[KeyFolder]
) -> None:
    """Sign with every key of a role that is at hand. Raises SigningKeyMissing: they are fewer than its threshold."""
    metadata.signatures.clear()
    found = add_signatures(metadata, keyids, folders)
    if found < threshold:
        raise SigningKeyMissing(name, needed=threshold, found=found)


def add_signatures(metadata: Metadata[_Kind], keyids: Sequence[str], folders: Sequence[KeyFolder]) -> int:
    """Sign with those of the keys that are at hand, beside who signed before; return how many they are."""
    found = signers(folders, keyids)
    for signer in found:
        metadata.sign(signer, append=True)
    return len(found)


def _meta(signed: Signed, content: bytes) -> MetaFile:
    return MetaFile.from_data(signed.version, content, ["sha256"])


def _roots(files: PublicFiles, trusted_root: bytes) -> tuple[Metadata[Root] | None, Metadata[Root]]:
    """Follow the chain of roots from the one that is trusted; return the last two, None where it is the newest."""
    older: Metadata[Root] | None = None
    root = _parsed("root.json", trusted_root, Root)
    while (content := files.get(f"{METADATA}/{root.signed.version + 1}.root.json")) is not None:
        name = f"{root.signed.version + 1}.root.json"
        newer = _parsed(name, content, Root)
        _check(name, newer, "root", [root.signed])
        _check(name, newer, "root", [newer.signed])
        if newer.signed.version != root.signed.version + 1:
            raise RepositoryAltered(name, "it is another version")
        older, root = root, newer
    return older, root


def _top(
    files: PublicFiles, name: str, kind: type[_Kind], meta: MetaFile | None, roots: Sequence[Metadata[Root]]
) -> Metadata[_Kind]:
    return _read(files, name, kind, meta, kind.type, [one.signed for one in roots])


def _read(
    files: PublicFiles,
    name: str,
    kind: type[_Kind],
    meta: MetaFile | None,
    role: str,
    delegators: Sequence[Root | Targets],
) -> Metadata[_Kind]:
    content = files.get(f"{METADATA}/{name}")
    if content is None:
        if name == "timestamp.json":
            raise RepositoryMissing(f"there is no repository in {files.folder}")
        raise RepositoryAltered(name, "it is missing")
    if meta is not None:
        try:
            meta.verify_length_and_hashes(content)
        except RepositoryError as error:
            raise RepositoryAltered(name, str(error)) from None
    metadata = _parsed(name, content, kind)
    _check(name, metadata, role, delegators)
    return metadata


def _parsed(name: str, content: bytes, kind: type[_Kind]) -> Metadata[_Kind]:
    try:
        metadata = Metadata[_Kind].from_bytes(content)
    except RepositoryError:
        raise RepositoryAltered(name, "it cannot be read") from None
    if not isinstance(metadata.signed, kind):
        raise RepositoryAltered(name, f"it is not of kind {kind.type}")
    return metadata


def _check(name: str, metadata: Metadata[_Kind], role: str, delegators: Sequence[Root | Targets]) -> None:
    """Let the metadata pass when one of the delegators says that enough of the role's keys signed it."""
    for at, delegator in enumerate(delegators, start=1):
        try:
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except RepositoryError as error:
            if at == len(delegators):
                raise RepositoryAltered(name, str(error)) from None
        else:
            return
