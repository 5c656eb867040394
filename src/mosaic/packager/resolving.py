"""Asking registries what images are: several at once, each once, and what can't change only for the first time.

A tag may stand for another image every time, so its digest is always asked for.
What a digest stands for never changes: its platforms and layers are kept in a
folder, and a second publishing asks one short question for each image.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from mosaic.adapters.oci.failures import ImageMissing
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError
from mosaic.core.image_platforms import Answer, NoAnswer, NoSuchImage, PlatformImage, Resolved
from mosaic.core.image_ref import LATEST, ImageRef
from mosaic.core.oci_types import Image

_AT_ONCE = 8
_VERSION = 1


class _Kept(msgspec.Struct, frozen=True):
    version: int
    image: Image


class Resolver:
    """What registries say of images. `images` has, by digest, all that were found."""

    def __init__(self, registries: Registries, cache: Path | None) -> None:
        self._registries = registries
        self._cache = cache
        self._keeping = threading.Lock()
        self.images: dict[str, Image] = {}

    def ask(self, references: Sequence[ImageRef]) -> Mapping[ImageRef, Answer]:
        """Return an answer for each reference. That a registry is silent or refuses is an answer, too."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="resolve") as threads:
            return dict(zip(references, threads.map(self._answer, references), strict=True))

    def _answer(self, reference: ImageRef) -> Answer:
        try:
            image = self._image(reference)
        except ImageMissing as error:
            return NoSuchImage(error.message)
        except MosaicError as error:
            return NoAnswer(error.with_hint)
        self.images[image.digest] = image
        return resolved(image)

    def _image(self, reference: ImageRef) -> Image:
        registry = self._registries.at(reference.registry)
        wanted = reference.digest or registry.resolve(reference.repository, reference.tag or LATEST).digest
        known = self._known(wanted)
        if known is not None:
            return known
        found = registry.platforms(reference.repository, wanted)
        self._keep(found)
        return found

    def _known(self, digest: str) -> Image | None:
        if self._cache is None:
            return None
        try:
            kept = msgspec.json.decode((self._cache / _file(digest)).read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        # A file that somebody put here under another's name is as good as none.
        return kept.image if kept.version == _VERSION and kept.image.digest == digest else None

    def _keep(self, image: Image) -> None:
        if self._cache is None:
            return
        # Two names may stand for one image, and one file is written by one thread at a time. Another publisher may
        # write it too, or the disk be full: then it is asked for again, and a publishing does not end for that.
        with self._keeping, contextlib.suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True)
            write_private(self._cache / _file(image.digest), msgspec.json.encode(_Kept(_VERSION, image)))


def resolved(image: Image) -> Resolved:
    """Return what pinning needs of an image."""
    return Resolved(
        image.digest,
        image.media_type,
        tuple(
            PlatformImage(
                one.platform.os,
                one.platform.architecture,
                one.platform.variant,
                one.manifest.digest,
                tuple(layer.size for layer in one.layers),
            )
            for one in image.platforms
        ),
    )


def _file(digest: str) -> str:
    return digest.replace(":", "-") + ".json"
