"""Which versions of an app a Device keeps: the one in use, the one before, and what anything refers to.

Versions are named by the digest of their manifest. What is written in a record is true of the disk when it is
written: a version is noted after it is extracted, and forgotten before it is removed.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from mosaic.core import strict_json
from mosaic.core.oci_types import is_digest
from mosaic.core.strict_json import NotStrict, Plain

_FORMAT = 1
_MAX_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Version:
    """What a version was extracted from: digests of blobs in the store."""

    bundle: str
    index: str


@dataclass(frozen=True, slots=True)
class AppVersions:
    """The versions of one app that lie here. None: there is none."""

    current: str | None = None
    previous: str | None = None
    versions: Mapping[str, Version] = field(default_factory=dict)


def installed(known: AppVersions, digest: str, version: Version) -> AppVersions:
    """Make a version the current one; the one that was is the previous. Doing it twice changes nothing more."""
    versions = {**known.versions, digest: version}
    if known.current == digest:
        return replace(known, versions=versions)
    return AppVersions(digest, known.current, versions)


def rolled_back(known: AppVersions) -> AppVersions:
    """Make the previous version the current one. What is given up is nothing to go back to."""
    return known if known.previous is None else replace(known, current=known.previous, previous=None)


def forgotten(known: AppVersions) -> AppVersions:
    """Say that the app has left: no version is current or previous."""
    return replace(known, current=None, previous=None)


def kept(known: AppVersions, in_use: Set[str]) -> AppVersions:
    """Return what is left when nothing goes that is current, previous or in use."""
    wanted = {known.current, known.previous} | in_use
    return replace(known, versions={digest: one for digest, one in known.versions.items() if digest in wanted})


def folders_kept(known: AppVersions, in_use: Set[str]) -> set[str]:
    """Return the digests of which the extracted folders stay, whoever extracted them."""
    return {digest for digest in (known.current, known.previous) if digest is not None} | in_use


def blobs_of(every: Iterable[AppVersions]) -> set[str]:
    """Return the blobs that versions are made from, their manifests included."""
    return {
        blob
        for known in every
        for digest, version in known.versions.items()
        for blob in (digest, version.bundle, version.index)
    }


def write(known: AppVersions) -> bytes:
    """Return the record's bytes."""
    versions: dict[str, Plain] = {
        digest: {"bundle": version.bundle, "index": version.index} for digest, version in known.versions.items()
    }
    return strict_json.write(
        {"current": known.current, "format": _FORMAT, "previous": known.previous, "versions": versions}
    )


def read(content: bytes) -> AppVersions:
    """Return what a record says. Raises NotStrict."""
    found = strict_json.mapping(strict_json.read(content, most_bytes=_MAX_BYTES), "the record")
    strict_json.only(found, ("current", "format", "previous", "versions"), "the record")
    if found.get("format") != _FORMAT:
        raise NotStrict("it is of a format that is unknown here")
    versions = {
        _digest(digest): _version(value)
        for digest, value in strict_json.mapping(found.get("versions"), "the versions").items()
    }
    return AppVersions(_digest_or_none(found.get("current")), _digest_or_none(found.get("previous")), versions)


def _version(value: Plain) -> Version:
    found = strict_json.mapping(value, "a version")
    return Version(_digest(found.get("bundle")), _digest(found.get("index")))


def _digest_or_none(value: Plain) -> str | None:
    return None if value is None else _digest(value)


def _digest(value: Plain) -> str:
    digest = strict_json.text(value, "a digest")
    if not is_digest(digest):
        raise NotStrict(f"{digest[:80]!a} is no digest")
    return digest
