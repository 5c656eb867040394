"""What an app may be called, everywhere: where it is written, published, listed by a Hive and extracted by a Device.

An app gives its name to what is installed of it, and that becomes part of host
names: 1–40 lower-case letters, digits and hyphens, with neither end a hyphen.
A registry and a Device's folders take more than that; what only they take is
never published, because no Hive could install it.
"""

import re

LONGEST = 40
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)

RULE = f"1–{LONGEST} lower-case letters, digits and hyphens"


def is_app_name(name: str) -> bool:
    """Whether an app may be called so."""
    return _NAME.fullmatch(name) is not None


def nearest(text: str) -> str:
    """Return the nearest usable name; empty when nothing of the text is usable."""
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower(), flags=re.ASCII)
    return kept.strip("-")[:LONGEST].strip("-")
