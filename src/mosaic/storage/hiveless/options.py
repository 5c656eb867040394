"""The words behind `-o` of `docker volume create -d mosaic -o store=…`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.errors import Refused
from mosaic.core.keep_rule import parse_rule, write_rule
from mosaic.core.retention import Retention
from mosaic.storage.hiveless.address import StoreAddress, parse_address

_WORDS = ("store", "key-file", "credentials", "take-over", "keep")


class StoreOptionsRefused(Refused):
    """A word behind `-o` is not one that the driver knows. Values are not repeated: one may be a secret."""

    code = "store-options-refused"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. `take_over`: have the volume, whoever has it now. `keeps`: None where no rule was said."""

    store: StoreAddress
    key_file: Path | None
    credentials: Path | None
    take_over: bool
    keeps: str | None = None


def parse_options(options: Mapping[str, str], *, region: str | None = None) -> Wanted:
    """Read the options.

    Raises:
        StoreOptionsRefused: a word is not known, or its value is not one that it takes.
        StoreAddressRefused, LocationUnusable: the store's address is not one.
        KeepRuleUnusable: what shall be kept is not said.
    """
    unknown = sorted(set(options) - set(_WORDS))
    if unknown:
        hint = f"the options are {', '.join(_WORDS)}"
        if any("secret" in word.lower() or "access" in word.lower() for word in unknown):
            hint = "write the store's key into a file that only root may read, and name it: -o credentials=/path"
        raise StoreOptionsRefused(f"the driver has no option {', '.join(unknown)}", hint=hint)
    take_over = options.get("take-over", "no")
    if take_over not in ("yes", "no"):
        raise StoreOptionsRefused("the option take-over is yes or no", hint="say -o take-over=yes, or leave it out")
    return Wanted(
        store=parse_address(options["store"], region=region),
        key_file=_path(options, "key-file"),
        credentials=_path(options, "credentials"),
        take_over=take_over == "yes",
        keeps=write_rule(parse_rule(options["keep"], Retention())) if "keep" in options else None,
    )


def _path(options: Mapping[str, str], word: str) -> Path | None:
    text = options.get(word)
    if text is None:
        return None
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts or not text.isprintable():
        raise StoreOptionsRefused(
            f"the option {word} is not the full path of a file", hint=f"give it from the root on: -o {word}=/root/…"
        )
    return path
