"""DNS names as Mosaic takes them: which are one, how they are written, and which may be published.

A name is compared as `normalise` writes it: lower-case ASCII, no dot at its
end, labels of letters, digits and hyphens (RFC 1123), 253 characters at most.
That spelling is what `is_name` asks of a name that another part passed on: one
rule for Hive, gateway and link. What is typed `normalise` reads, and a label in
another script counts there only when it reads back as the very same, in one
script, so that two spellings are never one name and no letter is another's
double within a label. Only the Hive asks that: letters differ between versions
of Unicode, and a gateway or link that knows fewer must not drop a name for it.
Whose a name is, is left to `core.name_proof`; what Mosaic gives out itself to
`core.link_names`; what visitors may ask for to `core.asked_name`.
"""

import re

from mosaic.core.errors import Refused

LONGEST = 253
LONGEST_LABEL = 63
WILDCARD = "*."

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NAME = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})+", re.ASCII)
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
_PUNYCODE = "xn--"

# Each is what one label may be written in; Japanese and Korean are written in several by themselves.
_SCRIPTS: tuple[frozenset[str], ...] = tuple(
    frozenset(one.split())
    for one in (
        "LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW", "ARABIC", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI",
        "ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "TIBETAN", "MYANMAR", "GEORGIAN",
        "ETHIOPIC", "KHMER", "CJK HIRAGANA KATAKANA KATAKANA-HIRAGANA", "CJK HANGUL",
    )
)  # fmt: skip
_LETTERS = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc"})

_PRIVATE = (
    "localhost", "local", "localdomain", "internal", "intranet", "private", "lan", "home", "corp", "arpa", "test",
    "example", "invalid", "onion", "alt",
)  # fmt: skip
"""Last labels that mean something on one machine or in one house: RFC 2606, 6761, 6762, 7686, 8375, 9476."""


class DomainNameUnusable(Refused):
    """What was given is no name that a link can have."""

    code = "domain-name-unusable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name[:80]!r} cannot be a link's name: {reason}", hint="write it as DNS has it, like notes.example.com"
        )


def is_name(text: str) -> bool:
    """Whether it is a DNS name of two labels or more as all parts compare them, and no address."""
    if len(text) > LONGEST or not _NAME.fullmatch(text):
        return False
    return _NUMBER.fullmatch(text.rpartition(".")[2]) is None


def normalise(name: str, *, wildcard: bool = False) -> str:
    """Return the one spelling of a name. With `wildcard` its first label may be `*`. Raises DomainNameUnusable."""
    text = name.strip(" ").removesuffix(".")
    if not text.isascii():
        raise DomainNameUnusable(name, "it has letters beyond ASCII; write such a label as `xn--…`")
    # Of ASCII alone lower() changes nothing but A to Z.
    text = text.lower()
    plain = text.removeprefix(WILDCARD) if wildcard else text
    if not plain:
        raise DomainNameUnusable(name, "it is empty")
    if len(text) > LONGEST:
        raise DomainNameUnusable(name, f"it has {len(text)} characters, and {LONGEST} are the most")
    labels = plain.split(".")
    for label in labels:
        _check_label(name, label)
    if len(labels) < 2:
        raise DomainNameUnusable(name, "it has one label only")
    if _NUMBER.fullmatch(labels[-1]):
        raise DomainNameUnusable(name, "it is an address, not a name")
    return text


def require_public(name: str) -> str:
    """Return a normalised name that the public DNS can have. Raises DomainNameUnusable."""
    if not is_public(name):
        raise DomainNameUnusable(name, f"names that end with .{name.rpartition('.')[2]} are nobody's in the public DNS")
    return name


def is_public(name: str) -> bool:
    """Whether the public DNS can have a name."""
    return name.rpartition(".")[2] not in _PRIVATE


def is_wildcard(name: str) -> bool:
    """Whether a normalised name stands for every name one label below another."""
    return name.startswith(WILDCARD)


def base_of(name: str) -> str:
    """Return what a wildcard stands above; another name is its own."""
    return name.removeprefix(WILDCARD)


def is_under(name: str, parent: str) -> bool:
    """Whether a normalised name is below another, at any depth."""
    return base_of(name).endswith(f".{parent}") or (is_wildcard(name) and base_of(name) == parent)


def covers(claimed: str, name: str) -> bool:
    """Whether a claim is one of a name: they are the same, or it is a wildcard one label above."""
    return claimed == name or (is_wildcard(claimed) and name.partition(".")[2] == base_of(claimed))


def _check_label(name: str, label: str) -> None:
    if not label:
        raise DomainNameUnusable(name, "it has an empty label")
    if len(label) > LONGEST_LABEL:
        raise DomainNameUnusable(name, f"a label has {len(label)} characters, and {LONGEST_LABEL} are the most")
    if not _LABEL.fullmatch(label):
        raise DomainNameUnusable(
            name, f"the label {label[:LONGEST_LABEL]!r} has more than letters, digits and hyphens between them"
        )
    if label[2:4] == "--":
        # Only `xn--` means something there (RFC 5891); the others are kept for what comes later.
        _check_punycode(name, label)


def _check_punycode(name: str, label: str) -> None:
    # Imported here: its tables are a megabyte that most who ask for names never need.
    import unicodedata

    read = _read_back(label)
    if read is None:
        raise DomainNameUnusable(name, f"the label {label!r} does not stand for a word in another script")
    words = {unicodedata.name(one, "").split(" ")[0] for one in read if one not in "0123456789-"}
    if not any(words <= script for script in _SCRIPTS):
        raise DomainNameUnusable(name, f"the label {label!r} mixes scripts, as doubles of other names do")


def _read_back(label: str) -> str | None:
    """Return what a label in punycode says (RFC 3492), None when nobody would write it so."""
    if not label.startswith(_PUNYCODE):
        return None
    import unicodedata

    encoded = label.removeprefix(_PUNYCODE)
    try:
        text = encoded.encode().decode("punycode")
        again = text.encode("punycode").decode()
    except (UnicodeError, ValueError, OverflowError):
        return None
    # A normal form that is another text would be a second spelling of that one.
    if again != encoded or text.isascii() or unicodedata.normalize("NFKC", text).casefold() != text:
        return None
    if text[0] == "-" or text[-1] == "-" or unicodedata.category(text[0]) in ("Mn", "Mc"):
        return None
    is_word = all(one in "0123456789-" or unicodedata.category(one) in _LETTERS for one in text)
    return text if is_word else None
