"""JSON of which one value has one spelling, and a reader that believes nothing.

What is written is canonical: keys sorted by code point, no spaces, UTF-8 without
escapes where none are needed, whole numbers only. So the same value has the same
digest everywhere. What is read is capped in size before it is looked at; a key
that comes twice, a fraction, a number of thousands of digits or a document that is
nested without end is refused.
"""

import json
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypeAlias

Plain: TypeAlias = "str | int | bool | list[Plain] | dict[str, Plain] | None"

_LARGEST = 2**63 - 1


class NotStrict(ValueError):
    """The bytes are not such a document. The text is the reason, for the error of whoever reads."""


def write(value: Plain) -> bytes:
    """Return the one spelling of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read(content: bytes, *, most_bytes: int) -> Plain:
    """Return what the bytes say. Raises NotStrict."""
    if len(content) > most_bytes:
        raise NotStrict(f"it is larger than {most_bytes} bytes")
    try:
        found: Plain = json.loads(
            content.decode(),
            object_pairs_hook=_once,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
            parse_int=_number,
        )
    except RecursionError:
        raise NotStrict("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise NotStrict("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotStrict(f"it is no JSON: {error.msg} at {error.pos}") from None
    return found


def mapping(value: Plain, what: str) -> Mapping[str, Plain]:
    """Believe that a value is a mapping. Raises NotStrict."""
    if not isinstance(value, dict):
        raise NotStrict(f"{what} is no mapping")
    return value


def items(value: Plain, what: str) -> list[Plain]:
    """Believe that a value is a list. Raises NotStrict."""
    if not isinstance(value, list):
        raise NotStrict(f"{what} is no list")
    return value


def text(value: Plain, what: str) -> str:
    """Believe that a value is text. Raises NotStrict."""
    if not isinstance(value, str):
        raise NotStrict(f"{what} is no text")
    # JSON can spell halves of letters, which no UTF-8 has.
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NotStrict(f"{what} is no UTF-8")
    return value


def size(value: Plain, what: str) -> int:
    """Believe that a value is a count of bytes: a whole number from 0. Raises NotStrict."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise NotStrict(f"{what} is no size")
    return value


def only(found: Mapping[str, Plain], known: Iterable[str], what: str) -> None:
    """Refuse keys that nobody knows: they may mean something that must not be ignored. Raises NotStrict."""
    if unknown := sorted(set(found) - set(known)):
        raise NotStrict(f"{what} has {unknown[0][:80]!a}, which is unknown here")


def _once(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for key, value in pairs:
        if key in found:
            raise NotStrict(f"{key[:80]!a} is in it twice")
        found[key] = value
    return found


def _number(digits: str) -> int:
    # Longer ones take Python quadratic time, or an error of its own.
    if len(digits) > 20 or abs(number := int(digits)) > _LARGEST:
        raise NotStrict("a number in it is too large")
    return number


def _no_fraction(word: str) -> NoReturn:
    raise NotStrict(f"{word[:20]} is no whole number")
