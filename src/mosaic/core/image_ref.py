"""Reading the name of an image as Docker's reference grammar does.

    [registry[:port]/]component[/component…][:tag][@algorithm:hex]

The first part is a registry when it has a dot or a colon in it, is `localhost`
or has upper-case letters; else the image is of Docker Hub, where a name of one
part lies under `library/`. What is not of this grammar is refused, and never
mended: a name that was meant otherwise is another image. So is a digest of
another algorithm than SHA-256, which nobody here could check.

Source: the grammar of the distribution project's `reference` package, and how
the `docker` command fills in what is left out.
"""

import re
from dataclasses import dataclass, replace

from mosaic.core.errors import Refused
from mosaic.core.oci_types import is_digest

HUB = "docker.io"
LATEST = "latest"

_HUB_OLD = "index.docker.io"
_OFFICIAL = "library/"
_LONGEST_PATH = 255
_LONGEST = 1024
"""In characters. Longer than any that the parts' own limits allow, save for a digest's and a registry's."""

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_EXAMPLE = "nginx:1.29 or registry.example.org/team/web:2.0"


class ImageRefUnreadable(Refused):
    """The text is no name of an image."""

    code = "image-ref-unreadable"

    def __init__(self, text: str, why: str, *, hint: str) -> None:
        super().__init__(f"{text[:120]!r} is no name of an image: {why}", hint=hint)


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image's name with nothing left out. Without a digest it has a tag; with one it may have both."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        return self.name + self._suffix()

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def familiar(self) -> str:
        """Return the form that people write, which means the same: `nginx:1.29`."""
        return _familiar_name(self) + self._suffix()

    def pinned(self, digest: str) -> "ImageRef":
        """Return the image with this digest and no tag: the same bytes for ever."""
        return replace(self, tag=None, digest=digest)

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> ImageRef:
    """Read an image's name; the tag is `latest` when there is neither a tag nor a digest.

    Raises:
        ImageRefUnreadable: it is not of the grammar.
    """
    _require_plain(text)
    named, at, digest = text.partition("@")
    if at:
        _require_digest(text, digest)
    name, tag = _split_tag(named)
    if tag is not None and not _TAG.fullmatch(tag):
        raise ImageRefUnreadable(
            text,
            f"{tag[:80]!r} is no tag",
            hint="a tag has up to 128 letters, digits and any of _ . - and begins with none of the last two",
        )
    if _IMAGE_ID.fullmatch(text):
        raise ImageRefUnreadable(
            text, "it is an image's id on one machine", hint=f"write the image's name, for instance {_EXAMPLE}"
        )
    registry, repository = _split_registry(name)
    if not _REGISTRY.fullmatch(registry):
        raise ImageRefUnreadable(
            text,
            f"{registry[:80]!r} is no registry",
            hint="write a host name and, where it needs one, a port: registry.example.org:5000/team/web:2.0",
        )
    _require_repository(text, repository)
    return ImageRef(registry, repository, tag if tag or at else LATEST, digest if at else None)


def is_component(name: str) -> bool:
    """Whether a name may be one part of a repository's path."""
    return len(name) <= _LONGEST_PATH and _COMPONENT.fullmatch(name) is not None


def _require_plain(text: str) -> None:
    if not text.strip():
        raise ImageRefUnreadable(text, "it is empty", hint=f"write the image's name, for instance {_EXAMPLE}")
    if re.search(r"\s", text):
        raise ImageRefUnreadable(text, "it has blanks in it", hint="take the blanks out")
    if len(text) > _LONGEST:
        raise ImageRefUnreadable(
            text, f"it is longer than {_LONGEST} characters", hint=f"write a name such as {_EXAMPLE}"
        )
    if "://" in text:
        raise ImageRefUnreadable(text, "it is an address", hint=f"leave out what is before {'//'!r}, and the slashes")


def _require_digest(text: str, digest: str) -> None:
    if not is_digest(digest):
        raise ImageRefUnreadable(
            text,
            f"{digest[:80]!r} is no digest",
            hint="write sha256: and 64 of 0-9 a-f after the @, or leave both out",
        )


def _split_tag(named: str) -> tuple[str, str | None]:
    name, colon, tag = named.rpartition(":")
    # The colon of `localhost:5000/web` is that of a port.
    return (name, tag) if colon and "/" not in tag else (named, None)


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if not slash or not _is_registry(first):
        first, rest = HUB, name
    elif first == _HUB_OLD:
        first = HUB
    if first == HUB and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def _is_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost" or first != first.lower()


def _require_repository(text: str, repository: str) -> None:
    if all(_COMPONENT.fullmatch(part) for part in repository.split("/")) and len(repository) <= _LONGEST_PATH:
        return
    if len(repository) > _LONGEST_PATH:
        raise ImageRefUnreadable(
            text, f"its repository is longer than {_LONGEST_PATH} characters", hint=f"write a name such as {_EXAMPLE}"
        )
    shown = repository.removeprefix(_OFFICIAL)
    if repository != repository.lower():
        raise ImageRefUnreadable(
            text,
            f"{shown[:80]!r} has upper-case letters",
            hint=f"write it in lower case: {shown.lower()[:80]}",
        )
    raise ImageRefUnreadable(
        text,
        f"{shown[:80]!r} is no repository" if shown else "it names no repository",
        hint="each part between slashes is lower-case letters and digits, with one . or _, with __ or - between them",
    )


def _familiar_name(ref: ImageRef) -> str:
    if ref.registry != HUB:
        return ref.name
    first, _, rest = ref.repository.partition("/")
    if first + "/" == _OFFICIAL and "/" not in rest:
        return rest
    # `docker.io/my.team/web` without its beginning would be of a registry `my.team`.
    return ref.name if _is_registry(first) else ref.repository
