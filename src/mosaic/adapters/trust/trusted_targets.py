"""What a Device trusts: the Targets of one channel, by TUF, from a root that was given to it.

The library follows the specification's client workflow and keeps its metadata
in the folder, file by file as it is verified. Which Targets were found at the
end of the last whole refresh is kept beside it, in one file: so whatever is
refused, interrupted or unreachable, the Device knows the last good one.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import TargetFile

from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.adapters.trust.fetcher import BoundedFetcher
from mosaic.adapters.trust.public_files import CHANNEL_ROLE, METADATA, TARGETS
from mosaic.adapters.trust.refusals import ChannelMissing, TrustFolderUnusable, TrustMixed, TrustTooLarge, meaning
from mosaic.adapters.trust.updater import ClockedUpdater
from mosaic.core.target import Target, custom, digest_of, read_target, require_channel
from mosaic.core.target_choice import Taker, newest_for

REFRESH_SECONDS = 60.0
MOST_MANIFEST_BYTES = 4 * 1024 * 1024

_TRUSTED = "trusted.json"
_TIMESTAMP = "timestamp.json"
_ROOTS = "root_history"


class _Entry(msgspec.Struct, frozen=True):
    """What a channel's role says of one path."""

    path: str
    length: int
    sha256: str
    custom: Mapping[str, object] | None = None


class _Trusted(msgspec.Struct, frozen=True):
    """The entries of a channel after the last whole refresh. `root` is the hex SHA-256 of where trust began."""

    root: str
    channel: str
    entries: list[_Entry]


class _Versioned(msgspec.Struct, frozen=True):
    version: int


class _Expiring(msgspec.Struct, frozen=True):
    expires: datetime


class _Lasting(msgspec.Struct, frozen=True):
    """The one field of metadata that says how long it is good for."""

    signed: _Expiring


class _Signed(msgspec.Struct, frozen=True):
    """The one field of metadata that its name is made from."""

    signed: _Versioned


class TrustedTargets:
    """The Targets of one channel. One process at a time may use the folder.

    `base` is where the repository is served, as an http(s) address or as the
    `file:` address of a folder; `root` is where trust begins, whatever the
    folder or the repository says.
    """

    def __init__(
        self, folder: Path, *, root: bytes, base: str, channel: str, deadline_seconds: float = REFRESH_SECONDS
    ) -> None:
        require_channel(channel)
        self._folder = folder
        self._root = root
        self._base = base.rstrip("/")
        self._where = urlsplit(base).hostname or urlsplit(base).path
        self._channel = channel
        self._deadline_seconds = deadline_seconds
        self.requests = 0
        """How many files the last refresh asked for."""

    def refresh(self, taker: Taker, *, now_ns: int) -> Target | None:
        """Ask the repository, and return the Target that this Device should have; None when there is none for it.

        An unchanged repository costs two requests: for the root that would come next, and for the timestamp.
        Blocks for as long as the deadline says; call it in a thread without an event loop.

        Raises:
            TrustRefused: in one of its kinds; `last` returns what it returned before.
            RepositoryUnavailable: nobody answers; the same holds.
            TrustFolderUnusable: this machine cannot keep what it trusts.
            ChannelMissing: the repository has no such channel.
            TargetUnreadable: a signed Target makes no sense here.
        """
        fetcher = BoundedFetcher(deadline_seconds=self._deadline_seconds)
        try:
            metadata = self._folder / METADATA
            metadata.mkdir(mode=0o700, parents=True, exist_ok=True)
            _clear(metadata)
            updater = ClockedUpdater(
                metadata, f"{self._base}/{METADATA}/", fetcher=fetcher, root=self._root, now_ns=now_ns
            )
            entries = self._entries(updater)
            _sync(metadata)
            self._keep(entries)
        except (RepositoryError, DownloadError) as error:
            raise meaning(error, where=self._where, name=fetcher.name or "the root that was given") from error
        except OSError as error:
            raise TrustFolderUnusable(self._folder, error.strerror or type(error).__name__) from error
        finally:
            self.requests = fetcher.requests
        return newest_for(taker, _targets(entries))

    def last(self, taker: Taker) -> Target | None:
        """Return what `refresh` returned when it last came to its end, for this Device. Asks nobody."""
        return newest_for(taker, _targets(self._kept()))

    def listed(self) -> list[Target]:
        """Return every Target that was listed then."""
        return _targets(self._kept())

    def expiries(self) -> dict[str, int]:
        """Return when what was verified last ends, in seconds since 1970, by role; empty before the first refresh."""
        found = {}
        for path in (self._folder / METADATA).glob("*.json"):
            try:
                signed = msgspec.json.decode(path.read_bytes(), type=_Lasting).signed
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
                # Replaced at this moment, or damaged: the next refresh says so.
                continue
            found[unquote(path.stem)] = int(signed.expires.timestamp())
        return found

    def manifest_bytes(self, target: Target, app: str) -> int:
        """Return how long an app's manifest is: nothing longer needs to be fetched. Raises TrustMixed: not listed."""
        return self._manifest(target, app).length

    def check_manifest(self, target: Target, app: str, manifest: bytes) -> None:
        """Check bytes from anywhere (a registry, a bundle) that are said to be an app's manifest. Raises TrustMixed."""
        entry = self._manifest(target, app)
        if len(manifest) != entry.length or hashlib.sha256(manifest).hexdigest() != entry.sha256:
            raise TrustMixed(self._where, f"the manifest of {app}")

    def fetch_manifest(self, target: Target, app: str) -> bytes:
        """Return an app's manifest from the repository itself, checked. Raises TrustRefused, RepositoryUnavailable."""
        entry = self._manifest(target, app)
        folder, _, name = entry.path.rpartition("/")
        fetcher = BoundedFetcher(deadline_seconds=self._deadline_seconds)
        try:
            url = f"{self._base}/{TARGETS}/{folder}/{entry.sha256}.{name}"
            manifest = fetcher.download_bytes(url, min(entry.length, MOST_MANIFEST_BYTES))
        except DownloadError as error:
            raise meaning(error, where=self._where, name=f"the manifest of {app}") from error
        self.check_manifest(target, app, manifest)
        return manifest

    def elsewhere(self, base: str, *, folder: Path | None = None) -> "TrustedTargets":
        """Return the same root and channel, asked for at another address; in another folder it begins at the root."""
        return TrustedTargets(
            folder or self._folder,
            root=self._root,
            base=base,
            channel=self._channel,
            deadline_seconds=self._deadline_seconds,
        )

    def write_served(self, into: Path) -> None:
        """Write what was verified as a repository serves it, so that a machine without any network can ask that folder.

        Manifests are not in it. A refresh that was cut off may have left what does not fit together: ask the copy.

        Raises:
            TrustFolderUnusable: it cannot be read, or written there.
        """
        kept = self._folder / METADATA
        try:
            (into / METADATA).mkdir(parents=True)
            files = {path.name: path.read_bytes() for path in (kept / _ROOTS).glob("*.root.json")}
            for path in kept.glob("*.json"):
                if path.name not in ("root.json", _TIMESTAMP):
                    files[f"{_version_of(path)}.{path.name}"] = path.read_bytes()
            files[_TIMESTAMP] = (kept / _TIMESTAMP).read_bytes()
            for name, content in files.items():
                (into / METADATA / name).write_bytes(content)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not as it was written"
            raise TrustFolderUnusable(self._folder, reason) from error

    def _entries(self, updater: ClockedUpdater) -> list[_Entry]:
        """Refresh, and return what the channel's role says of paths that it may speak for."""
        updater.refresh()
        role = updater.delegated(CHANNEL_ROLE + self._channel)
        if role is None:
            raise ChannelMissing(self._channel, [one.removeprefix(CHANNEL_ROLE) for one in updater.roles()])
        # Looking up a path of another channel would fetch that channel's role.
        own = {path: entry for path, entry in role.targets.items() if path.startswith(f"{self._channel}/")}
        # Asked for by its path, each is found only where the delegations lead; a role may list what is not its own.
        led_to = [entry for path, entry in own.items() if updater.get_targetinfo(path) == entry]
        return sorted((self._entry(one) for one in led_to), key=lambda one: one.path)

    def _entry(self, found: TargetFile) -> _Entry:
        if found.length > MOST_MANIFEST_BYTES:
            raise TrustTooLarge(self._where, found.path)
        target = read_target(found.path, found.custom)
        # Only what is understood is kept, as we would write it: the rest may be anything that fits into JSON.
        own = None if target is None else custom(target)
        return _Entry(found.path, found.length, found.hashes.get("sha256", ""), own)

    def _manifest(self, target: Target, app: str) -> _Entry:
        path = target.manifest_path(app)
        found = next((one for one in self._kept() if one.path == path), None)
        if found is None or found.sha256 != digest_of(target.apps[app]):
            raise TrustMixed(self._where, f"the manifest of {app}")
        return found

    def _keep(self, entries: list[_Entry]) -> None:
        if entries != self._kept():
            write_private(
                self._folder / _TRUSTED, msgspec.json.encode(_Trusted(self._begins_at(), self._channel, entries))
            )

    def _kept(self) -> list[_Entry]:
        try:
            kept = msgspec.json.decode((self._folder / _TRUSTED).read_bytes(), type=_Trusted)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return []
        is_ours = (kept.root, kept.channel) == (self._begins_at(), self._channel)
        return kept.entries if is_ours else []

    def _begins_at(self) -> str:
        return hashlib.sha256(self._root).hexdigest()


def _clear(folder: Path) -> None:
    """Remove what a refresh that was killed had begun to write, under the names of the library's temporary files."""
    for path in folder.glob("tmp*"):
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make durable what the library renamed into place: a power cut must not take back how far was seen."""
    for place in (folder / _ROOTS, folder):
        for path in place.glob("*.json"):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(place)


def _version_of(path: Path) -> int:
    return msgspec.json.decode(path.read_bytes(), type=_Signed).signed.version


def _targets(entries: Sequence[_Entry]) -> list[Target]:
    found = [target for entry in entries if (target := read_target(entry.path, entry.custom)) is not None]
    return sorted(found, key=lambda one: (-one.version, one.path))
