"""What a registry said of an image, and on which machines an app of several images runs.

A platform is written `linux/arm64`, or `linux/arm/v7` where there are variants
that do not run one another's programs. What every machine of its kind has is
left out: `linux/arm64/v8` is `linux/arm64`, and `linux/arm` is `linux/arm/v7`.

Source: the image index of the OCI image specification 1.1, and how containerd
makes platforms alike before it compares them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

INDEXES = frozenset(
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"]
)
MANIFESTS = frozenset(
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"]
)
"""What an engine can run by digest. Older ones are not: they say other bytes at each push."""

_UNKNOWN = "unknown"
_PLAIN_VARIANTS = {("arm64", "v8"): "", ("amd64", "v1"): "", ("arm", ""): "v7"}
_ARM_VARIANTS = ("v5", "v6", "v7")


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """The image for one kind of machine. `layer_sizes` are what is downloaded, in bytes, in the manifest's order."""

    os: str
    architecture: str
    variant: str
    digest: str
    layer_sizes: tuple[int, ...]

    @property
    def platform(self) -> str:
        """Return the platform's name, such as `linux/arm64`."""
        variant = _PLAIN_VARIANTS.get((self.architecture, self.variant), self.variant)
        return "/".join(part for part in (self.os, self.architecture, variant) if part)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name stands for now: the digest of its index, or of its only manifest, and the images in it.

    Entries of an index that are no images but say how one was made (of
    platform `unknown/unknown`) may be among them; `images` leaves them out.
    """

    digest: str
    media_type: str
    platforms: tuple[PlatformImage, ...]

    def images(self) -> tuple[PlatformImage, ...]:
        """Return the images that are for a machine."""
        return tuple(each for each in self.platforms if _UNKNOWN not in (each.os, each.architecture))


@dataclass(frozen=True, slots=True)
class NoSuchImage:
    """The registry answered, and has nothing under this name for us. `why` is its word: unknown, or not allowed."""

    why: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The registry could not be asked. Trying again later may work."""

    why: str


Answer: TypeAlias = Resolved | NoSuchImage | NoAnswer


def linux_platforms(images: Iterable[PlatformImage]) -> frozenset[str]:
    """Return the platforms that apps run on, of an image's: those of Linux."""
    return frozenset(each.platform for each in images if each.os == "linux")


def shared(offers: Iterable[frozenset[str]]) -> frozenset[str]:
    """Return the platforms that all images run on, each as itself or as an older variant of it."""
    listed = list(offers)
    every = frozenset[str]().union(*listed)
    return frozenset(each for each in every if all(_runs(each, offer) for offer in listed))


def _runs(platform: str, offer: frozenset[str]) -> bool:
    if platform in offer:
        return True
    kind, _, variant = platform.rpartition("/")
    if kind != "linux/arm" or variant not in _ARM_VARIANTS:
        return False
    # A 32-bit ARM machine runs what was made for those before it.
    return any(f"{kind}/{older}" in offer for older in _ARM_VARIANTS[: _ARM_VARIANTS.index(variant)])
