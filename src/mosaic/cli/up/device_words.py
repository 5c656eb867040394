"""What a Device is told at its first start: the join token, its name, the account's passphrase.

They come as words of the environment, as a file, or from whoever sits at the
terminal; which one counts is decided here, and decision 50 says why so. The
words leave the environment before anything else happens, so that no child
process has them; no error and no log repeats them.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from mosaic.core import device_container
from mosaic.core.device_container import JOIN, PASSPHRASE
from mosaic.core.errors import Refused

NAME = "MOSAIC_NAME"
PASSPHRASE_FILE = "MOSAIC_PASSPHRASE_FILE"  # noqa: S105 (the variable's name)
SECRET_MOUNT = Path(device_container.PASSPHRASE_FILE)
"""Where compose and swarm lay a secret of this name."""

_LONGEST_BYTES = 64 * 1024


class WordUnreadable(Refused):
    """A word of the environment is not text."""

    code = "word-unreadable"

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is not text", hint="write it in UTF-8, or leave it out and type it when asked")


class PassphraseFileUnusable(Refused):
    """The file that should hold the passphrase holds none."""

    code = "passphrase-file-unusable"

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} holds no passphrase: {reason}",
            hint="write the passphrase into that file, alone and as UTF-8, and mount the file, not its folder",
        )


@dataclass(frozen=True, slots=True)
class Words:
    """What the environment said; None for what it did not say, or said empty."""

    token: str | None = field(default=None, repr=False)
    name: str | None = None
    passphrase: str | None = field(default=None, repr=False)
    passphrase_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The passphrase stood in the environment."""

    passphrase: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class InFile:
    """It stands in this file."""

    file: Path


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody at the terminal is asked."""


@dataclass(frozen=True, slots=True)
class ByOwner:
    """Nobody says it: the owner wraps the root key to the Device when admitting it."""


Source: TypeAlias = Given | InFile | Asked | ByOwner


def take(environment: MutableMapping[str, str]) -> Words:
    """Take the words out of the environment. Raises WordUnreadable; then they are out as well."""
    found = {name: environment.pop(name, "") for name in (JOIN, NAME, PASSPHRASE, PASSPHRASE_FILE)}
    for name, value in found.items():
        if not _is_text(value):
            raise WordUnreadable(name)
    file = found[PASSPHRASE_FILE].strip()
    return Words(
        token=found[JOIN].strip() or None,
        name=found[NAME].strip() or None,
        passphrase=found[PASSPHRASE] if found[PASSPHRASE].strip() else None,
        passphrase_file=Path(file) if file else None,
    )


def source(words: Words, *, option: Path | None, is_mounted: bool, is_terminal: bool) -> Source:
    """Say where the passphrase comes from: what was said most plainly counts, and a terminal is asked last.

    `option` is `--passphrase-file`, `is_mounted` whether something lies at SECRET_MOUNT.
    """
    if option is not None:
        return InFile(option)
    if words.passphrase is not None:
        return Given(words.passphrase)
    if words.passphrase_file is not None:
        return InFile(words.passphrase_file)
    if is_mounted:
        return InFile(SECRET_MOUNT)
    return Asked() if is_terminal else ByOwner()


def read_passphrase(file: Path) -> str:
    """Return the passphrase that a file holds, without the line's end. Raises PassphraseFileUnusable."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(_LONGEST_BYTES + 1)
        text = raw.decode("utf-8").strip("\r\n")
    except IsADirectoryError:
        # The engine makes a folder where a file to be mounted is missing.
        raise PassphraseFileUnusable(file, "it is a folder") from None
    except OSError as error:
        raise PassphraseFileUnusable(file, error.strerror or "it cannot be read") from None
    except UnicodeDecodeError:
        raise PassphraseFileUnusable(file, "it is not text") from None
    if len(raw) > _LONGEST_BYTES:
        raise PassphraseFileUnusable(file, f"it has more than {_LONGEST_BYTES >> 10} KiB")
    if not text.strip():
        raise PassphraseFileUnusable(file, "it is empty")
    return text


def _is_text(value: str) -> bool:
    """Whether the bytes were UTF-8: others come as lone surrogates."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
