"""One OCI registry, as the packager pushes to it and a Device fetches from it.

Speaks distribution-spec 1.1. Everything with a digest is compared with it
before it is returned or gets its name, so the registry and the network are
trusted with nothing but their silence. What an image is for is left to the
callers.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated
from urllib.parse import quote

import msgspec

from mosaic.adapters.clock import Clock, SystemClock
from mosaic.adapters.oci import documents, fetching, pushing
from mosaic.adapters.oci.authority import Scope
from mosaic.adapters.oci.credentials import Credentials
from mosaic.adapters.oci.exchange import Ask, Exchange
from mosaic.adapters.oci.failures import ImageFormatUnknown, ManifestDamaged, RegistryNameInvalid, RegistryUnreadable
from mosaic.adapters.oci.hosts import PUBLIC, Place, Trusts, known_as
from mosaic.adapters.oci.limits import DEFAULT_LIMITS, Limits
from mosaic.adapters.oci.referring import Referrers, next_page
from mosaic.core.oci_types import (
    EMPTY_CONTENT,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_EMPTY,
    OCI_MANIFEST,
    OCTETS,
    Descriptor,
    Digest,
    Image,
    ImageManifest,
    Manifest,
    PlatformImage,
    as_digest,
    digest_of,
    is_repository,
    is_tag,
)

_ACCEPT = {"Accept": ", ".join([*INDEX_TYPES, *MANIFEST_TYPES])}
_MOST_ENTRIES = 200
_MOST_TAGS = 100_000
_MOST_PAGES = 1000
_CONFIG_BYTES = 4 * 2**20
_LARGEST = 2**53
# Build records that lie in an index among the images (buildx attestations).
_NO_PLATFORM = "unknown"


class _Tags(msgspec.Struct):
    tags: list[Annotated[str, msgspec.Meta(max_length=128)]] | None = None


class Registry:
    """One registry. Threads may share it; used in a `with` block, or closed by its owner.

    `host` is what people write before the first slash of an image's name.
    Every method may raise, besides what it names itself:

    - Unavailable: no answer, a busy registry, too slow a one; tried again already
    - RegistryRefused: `docker login` is needed; CredentialsUnreadable
    - RegistryRejected, RegistryUntrusted, RedirectRefused, AnswerTooLarge, RegistryNameInvalid
    """

    def __init__(
        self,
        host: str,
        *,
        credentials: Credentials,
        trusts: Trusts = PUBLIC,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = known_as(host)
        self._exchange = Exchange(
            Place(host, trusts), credentials, clock=clock or SystemClock(), limits=limits, pause=pause
        )
        self._referrers = Referrers(self._exchange)

    def __enter__(self) -> "Registry":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End its connections. A request that comes later opens new ones."""
        self._exchange.close()

    def resolve(self, repository: str, reference: str) -> Descriptor:
        """Return what a tag or digest stands for now: digest, media type, size.

        What a tag stands for is the registry's word; who fetches it compares. Raises ImageMissing.
        """
        name = _checked(repository, reference)
        wanted = as_digest(reference)
        url = self._exchange.url(repository, f"manifests/{reference}")
        answer = self._exchange.ask(Ask("HEAD", url, Scope(repository), name, frozenset({200, 405}), _ACCEPT))
        told = as_digest(answer.headers.get("docker-content-digest", ""))
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        length = answer.headers.get("content-length", "")
        if answer.status != 200 or told is None or not documents.is_known_kind(kind) or not length.isdecimal():
            found = self.manifest(repository, reference)
            return Descriptor(found.media_type, found.digest, len(found.content))
        if wanted not in (None, told):
            raise ManifestDamaged(self.host, name, f"the registry says that it is {told}")
        return Descriptor(kind, told, min(int(length[:16]), _LARGEST))

    def manifest(self, repository: str, reference: str) -> Manifest:
        """Return a manifest or index; one that was asked for by digest has that digest.

        Raises:
            ImageMissing: there is none.
            ManifestDamaged: it has another digest than asked for or told, or is two kinds at once.
            ImageFormatUnknown: it is neither a manifest nor an index.
        """
        name = _checked(repository, reference)
        url = self._exchange.url(repository, f"manifests/{reference}")
        most = self._exchange.limits.manifest_bytes
        answer = self._exchange.ask(
            Ask("GET", url, Scope(repository), name, frozenset({200}), _ACCEPT, most_bytes=most)
        )
        digest = digest_of(answer.content)
        wanted = as_digest(reference) or as_digest(answer.headers.get("docker-content-digest", ""))
        if wanted not in (None, digest):
            raise ManifestDamaged(self.host, name, f"its digest is {digest}, and not {wanted}")
        kind = self._read(name, lambda: documents.kind_of(answer.content, answer.headers.get("content-type", "")))
        if not documents.is_known_kind(kind):
            raise ImageFormatUnknown(self.host, name, kind)
        return Manifest(answer.content, digest, kind)

    def image(self, repository: str, digest: Digest) -> ImageManifest:
        """Return what a manifest says. Raises as `manifest`; ImageFormatUnknown for an index, too."""
        found = self.manifest(repository, digest)
        if found.is_index:
            raise ImageFormatUnknown(self.host, f"{repository}@{digest}", found.media_type)
        return self._read(f"{repository}@{digest}", lambda: documents.read_image(found.content))

    def platforms(self, repository: str, reference: str) -> Image:
        """Return an image with its platforms and what has to be fetched for each.

        Where an index or a manifest does not name a platform, the image's
        configuration does. What is for no platform (build records, artifacts) is
        left out. Raises as `manifest`, and BlobDamaged.
        """
        name = _checked(repository, reference)
        found = self.manifest(repository, reference)
        own = Descriptor(found.media_type, found.digest, len(found.content))
        entries = self._read(name, lambda: documents.read_index(found.content)) if found.is_index else (own,)
        if len(entries) > _MOST_ENTRIES:
            raise ManifestDamaged(self.host, name, f"it lists more than {_MOST_ENTRIES} manifests")
        entries = tuple(entry for entry in entries if _may_be_image(entry))
        # All of them are kept in memory, read, which takes many times as much.
        most = self._exchange.limits.manifest_bytes
        if sum(entry.size for entry in entries) > most:
            raise ManifestDamaged(self.host, name, f"the manifests that it lists have more than {most} bytes together")
        images = (
            self._of_platform(repository, entry, found if entry is own else self.manifest(repository, entry.digest))
            for entry in entries
        )
        return Image(found.digest, found.media_type, own.size, tuple(one for one in images if one is not None))

    def blob(self, repository: str, blob: Descriptor, *, most_bytes: int) -> bytes:
        """Return a small blob. Raises ImageMissing, BlobDamaged, AnswerTooLarge: it has more than `most_bytes`."""
        return fetching.fetch_small(self._exchange, _known(repository), blob, most_bytes=most_bytes)

    def fetch_blob(self, repository: str, blob: Descriptor, into: Path, *, told: fetching.Told | None = None) -> None:
        """Put a blob into the file `into`, whose folder exists. It appears whole, or not at all.

        What is there whole is not fetched. What an earlier call got, however it
        ended, lies in `into` with `.part` behind its name, and only the rest is
        fetched. `told` gets the number of bytes that are there now, again and again.

        Raises:
            ImageMissing: the registry does not have it.
            BlobDamaged: what it sends has another size or digest.
            BlobBusy: another process fetches it to this place, and gets no further.
            NoRoomForBlob: the disk is full.
        """
        fetching.fetch_blob(self._exchange, _known(repository), blob, into, told=told or _is_not_told)

    def has_blob(self, repository: str, blob: Descriptor) -> bool:
        """Whether a repository has a blob, as somebody who may push to it is told."""
        return pushing.has_blob(self._exchange, _known(repository), blob)

    def push_blob(
        self, repository: str, source: Path | bytes, *, media_type: str = OCTETS, mount_from: str | None = None
    ) -> Descriptor:
        """Have a repository keep some content, and return what to call it. May be called again.

        `mount_from` is another repository of this registry that may have it already.
        """
        if mount_from is not None:
            _known(mount_from)
        return pushing.push_blob(
            self._exchange, _known(repository), source, media_type=media_type, mount_from=mount_from
        )

    def push_manifest(
        self, repository: str, content: bytes, media_type: str, *, tags: Sequence[str] = ()
    ) -> Descriptor:
        """Have a repository keep a manifest under its digest and then under tags; its blobs are there already.

        One with a `subject` is listed among what is attached to that, in
        whichever way the registry has. May be called again.
        """
        pushed = Descriptor(media_type, digest_of(content), len(content))
        for tag in tags:
            _checked(repository, tag)
        answer = pushing.put_manifest(self._exchange, _known(repository), pushed.digest, content, media_type)
        if media_type in MANIFEST_TYPES:
            read = self._read(f"{repository}@{pushed.digest}", lambda: documents.read_image(content))
            if read.subject is not None and "oci-subject" not in answer.headers:
                kind = read.artifact_type or read.config.media_type
                entry = Descriptor(media_type, pushed.digest, pushed.size, read.annotations, artifact_type=kind)
                self._referrers.enlist(repository, read.subject.digest, entry)
        for tag in tags:
            pushing.put_manifest(self._exchange, repository, tag, content, media_type)
        return pushed

    def attach(
        self,
        repository: str,
        subject: Descriptor,
        *,
        artifact_type: str,
        layers: Sequence[tuple[Path | bytes, str]],
        annotations: Mapping[str, str] | None = None,
    ) -> Descriptor:
        """Attach content (each with its media type) to a manifest, and return the artifact's descriptor."""
        config = self.push_blob(repository, EMPTY_CONTENT, media_type=OCI_EMPTY)
        pushed = tuple(self.push_blob(repository, source, media_type=kind) for source, kind in layers)
        plain = Descriptor(subject.media_type, subject.digest, subject.size)
        # The specification wants at least one layer; an artifact of annotations alone has the empty one.
        artifact = ImageManifest(config, pushed or (config,), artifact_type, annotations or {}, plain)
        return self.push_manifest(repository, documents.write_image(artifact), OCI_MANIFEST)

    def referrers(self, repository: str, subject: Digest, artifact_type: str | None = None) -> tuple[Descriptor, ...]:
        """Return what is attached to a manifest, of one type or of any. Nothing is known of who attached it."""
        return self._referrers.of(_known(repository), subject, artifact_type)

    def tags(self, repository: str) -> list[str]:
        """Return all tags of a repository in the registry's order. Raises ImageMissing: there is no such repository."""
        url = self._exchange.url(_known(repository), "tags/list")
        most, found = self._exchange.limits.manifest_bytes, dict[str, None]()
        for _ in range(_MOST_PAGES):
            answer = self._exchange.ask(
                Ask("GET", url, Scope(repository), repository, frozenset({200}), most_bytes=most)
            )
            try:
                page = msgspec.json.decode(answer.content, type=_Tags).tags or []
            except documents.UNREADABLE:
                raise RegistryUnreadable(self.host, "its list of tags makes no sense") from None
            known = len(found)
            found |= dict.fromkeys(tag for tag in page if is_tag(tag))
            following = next_page(self._exchange, answer) if page else None
            if following is None or len(found) > _MOST_TAGS:
                return list(found)
            if len(found) == known:
                break
            url = following
        raise RegistryUnreadable(self.host, "its list of tags has no end")

    def _of_platform(self, repository: str, entry: Descriptor, found: Manifest) -> PlatformImage | None:
        """Look at one manifest of an image; None when it is for no platform."""
        name = f"{repository}@{entry.digest}"
        if len(found.content) != entry.size:
            raise ManifestDamaged(
                self.host, name, f"it has {len(found.content)} bytes, and its index says {entry.size}"
            )
        read = self._read(name, lambda: documents.read_image(found.content))
        platform = entry.platform
        if platform is None:
            config = self.blob(repository, read.config, most_bytes=_CONFIG_BYTES)
            platform = self._read(name, lambda: documents.read_platform(config))
        return PlatformImage(platform, entry, read.config, read.layers) if platform.architecture else None

    def _read(self, name: str, read: Callable[[], documents.T]) -> documents.T:
        try:
            return read()
        except documents.DocumentInvalid as error:
            raise ManifestDamaged(self.host, name, str(error)) from None


def _checked(repository: str, reference: str) -> str:
    """Return what errors call a manifest. Raises RegistryNameInvalid."""
    _known(repository)
    if as_digest(reference) is not None:
        return f"{repository}@{reference}"
    if not is_tag(reference):
        raise RegistryNameInvalid(quote(f"{repository}:{reference}", safe="/:@"))
    return f"{repository}:{reference}"


def _known(repository: str) -> str:
    if not is_repository(repository):
        raise RegistryNameInvalid(repository)
    return repository


def _may_be_image(entry: Descriptor) -> bool:
    platform = entry.platform
    known = platform is None or _NO_PLATFORM not in (platform.os, platform.architecture)
    return known and entry.media_type in MANIFEST_TYPES


def _is_not_told(_: int) -> None:
    """Nobody wants to know how far a blob is."""
