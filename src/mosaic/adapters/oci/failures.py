"""What can go wrong with a registry.

Each error names the registry and the repository. None repeats a URL, a
header or a body: signed queries and secrets are found in all three.
"""

from mosaic.core.errors import Corrupt, MosaicError, NotFound, Refused, Unavailable


class RegistryUnreachable(Unavailable):
    """The registry did not answer, or is busy."""

    code = "registry-unreachable"

    def __init__(self, where: str, reason: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(
            f"the registry {where} cannot be reached: {reason}",
            hint="check the name and the network; what was fetched so far is kept, and the next try goes on from there",
        )
        self.wait_seconds = wait_seconds


class RegistryTooSlow(Unavailable):
    """The registry sends so slowly that it would never end."""

    code = "registry-too-slow"

    def __init__(self, where: str, *, least_bytes: int, window_seconds: float) -> None:
        super().__init__(
            f"the registry {where} moved less than {least_bytes} bytes in {window_seconds:g} s, and was given up",
            hint="try again later; what was fetched so far is kept, and the next try goes on from there",
        )


class RegistryUnreadable(Unavailable):
    """Something answered that does not speak the registries' protocol."""

    code = "registry-unreadable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"what answers at {where} is not a registry that this program understands: {reason}",
            hint="check the registry's name; a proxy or a login page may answer in its place",
        )


class BlobBusy(Unavailable):
    """Another process began to fetch this blob to this place, and gets no further."""

    code = "registry-blob-busy"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another process fetches {name}, and gets no further", hint="wait until it has ended, then try again"
        )


class ImageMissing(NotFound):
    """The registry has no such image, package or layer."""

    code = "registry-image-missing"

    def __init__(self, where: str, name: str) -> None:
        super().__init__(
            f"the registry {where} has no {name}", hint="check the name and the tag; private images need `docker login`"
        )


class RegistryRefused(Refused):
    """The registry wants another login for this, or none at all may do it."""

    code = "registry-refused"

    def __init__(self, where: str, repository: str) -> None:
        super().__init__(
            f"the registry {where} refuses access to {repository}",
            hint=f"log in to it with `docker login {where}`, as somebody who may do this",
        )


class RegistryRejected(Refused):
    """The registry does not take the request, for a reason that only it knows."""

    code = "registry-rejected"

    def __init__(self, where: str, repository: str, answer: str) -> None:
        super().__init__(
            f"the registry {where} rejected a request for {repository} with {answer}",
            hint="the registry's own pages explain this answer",
        )


class RegistryUntrusted(Refused):
    """The registry's certificate is not one that is trusted here."""

    code = "registry-untrusted"

    def __init__(self, where: str) -> None:
        super().__init__(
            f"the certificate of the registry {where} is not trusted here",
            hint="give the certificate of the authority that issued it; this machine's clock must be right, too",
        )


class RedirectRefused(Refused):
    """The registry sends us to a place where its images must not come from."""

    code = "registry-redirect-refused"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"the registry {where} sends us on to a place that is not used: {reason}",
            hint="a proxy in front of the registry has to pass on the original scheme and host",
        )


class AnswerTooLarge(Refused):
    """The registry sends more than what was asked for can have."""

    code = "registry-answer-too-large"

    def __init__(self, where: str, name: str, *, most_bytes: int) -> None:
        super().__init__(
            f"the registry {where} sends more for {name} than the {most_bytes} bytes that it may have",
            hint="do not use this registry until its owner has looked at it",
        )


class RegistryNameInvalid(Refused):
    """No registry, repository or tag can have this name."""

    code = "registry-name-invalid"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:200]!r} cannot be the name of something in a registry",
            hint="write HOST/repository:tag in lower case, for instance registry.example.org/blog:1.2",
        )


class CredentialsUnreadable(Refused):
    """Docker's configuration, or the program that keeps its logins, cannot be used."""

    code = "registry-credentials-unreadable"

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            f"logins cannot be read from {source}: {reason}",
            hint="log in anew with `docker login HOST`, or correct the file",
        )


class ImageFormatUnknown(Refused):
    """The image is of a kind that is not used any more, or not yet."""

    code = "registry-format-unknown"

    def __init__(self, where: str, name: str, kind: str) -> None:
        super().__init__(
            f"{name} of {where} is of the unknown kind {kind[:100]!r}",
            hint="push it again with a current Docker: `docker push` writes what every registry and engine reads",
        )


class ManifestDamaged(Corrupt):
    """A manifest is not what its digest, or the list that it is in, says."""

    code = "registry-manifest-damaged"

    def __init__(self, where: str, name: str, reason: str) -> None:
        super().__init__(
            f"the manifest of {name} from {where} is damaged: {reason}",
            hint="nothing of it was used; publish it again, or fetch it from another registry",
        )


class BlobDamaged(Corrupt):
    """A layer or file is not what its manifest says."""

    code = "registry-blob-damaged"

    def __init__(self, where: str, name: str, reason: str) -> None:
        super().__init__(
            f"{name} from {where} is damaged: {reason}",
            hint="nothing of it was used; publish it again, or fetch it from another registry",
        )


class SourceChanged(Refused):
    """A file changed while it was pushed."""

    code = "registry-source-changed"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} became shorter while it was pushed", hint="leave the file alone, and push again")


class NoRoomForBlob(Refused):
    """The disk is full."""

    code = "registry-no-room"

    def __init__(self, name: str, *, size_bytes: int) -> None:
        super().__init__(
            f"there is no room on this disk for the {size_bytes} bytes of {name}",
            hint="make room, then try again; what was fetched so far is kept",
        )


def refusal(where: str, repository: str, name: str, *, status: int, answer: str) -> MosaicError:
    """Return the error that an answer with this status stands for. `name` is what was asked for."""
    if status in (401, 403):
        return RegistryRefused(where, repository)
    return ImageMissing(where, name) if status == 404 else RegistryRejected(where, repository, answer)
