"""Bills of materials: which format a file is in, by what is in it and not by its name.

Two are known, both as JSON. SPDX: version 2 has `spdxVersion`, version 3 a
context of spdx.org. CycloneDX: `bomFormat`. Who made a file and whether it is
true is left to its readers.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from mosaic.core.errors import Refused

SPDX = "application/spdx+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
MOST_BYTES = 32 * 1024**2


class SbomUnusable(Refused):
    """A bill of materials cannot be attached. Nothing was published."""

    code = "sbom-unusable"

    def __init__(self, reason: str, *, hint: str = "give SPDX or CycloneDX as JSON, as `--sbom APP=FILE`") -> None:
        super().__init__(reason, hint=hint)


@dataclass(frozen=True, slots=True)
class Sbom:
    """A bill of materials, byte for byte as it was given, and what it is."""

    content: bytes
    media_type: str


class _Told(msgspec.Struct):
    spdx_version: object = msgspec.field(name="spdxVersion", default=None)
    context: object = msgspec.field(name="@context", default=None)
    bom_format: object = msgspec.field(name="bomFormat", default=None)


def read_sbom(path: Path) -> Sbom:
    """Return what a file has. Raises SbomUnusable: it is too large, or of no known format."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SbomUnusable(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise SbomUnusable(f"{path} has more than {MOST_BYTES} bytes")
    kind = media_type_of(content)
    if kind is None:
        raise SbomUnusable(f"{path} is neither SPDX nor CycloneDX in JSON")
    return Sbom(content, kind)


def media_type_of(content: bytes) -> str | None:
    """Return the media type of a bill of materials; None for what is none, or says that it is both."""
    try:
        told = msgspec.json.decode(content, type=_Told)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    is_spdx = _begins(told.spdx_version, "SPDX-") or _begins(told.context, "https://spdx.org/rdf/3.")
    is_cyclonedx = told.bom_format == "CycloneDX"
    if is_spdx == is_cyclonedx:
        return None
    return SPDX if is_spdx else CYCLONEDX


def _begins(value: object, word: str) -> bool:
    return isinstance(value, str) and value.startswith(word)
