"""A link's token, `lk_<link id>_<secret>`: which link it opens, and what proves it. Pure."""

import re
from dataclasses import dataclass, field

from mosaic.core.ids import LinkId

_TOKEN = re.compile(r"lk_([a-z2-7]{12})_([A-Za-z0-9_-]{20,128})")
_ID = re.compile(r"[a-z2-7]{12}")


@dataclass(frozen=True, slots=True)
class LinkToken:
    """`secret` is known to the link and its Device alone; Hive and gateways have its SHA-256."""

    link: LinkId
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"lk_{self.link}_{self.secret}"


def parse(text: str) -> LinkToken | None:
    """Return the token that was written, None when it is none."""
    found = _TOKEN.fullmatch(text)
    return LinkToken(LinkId(found[1]), found[2]) if found else None


def is_link_id(text: str) -> bool:
    """Whether it is written as a link's id."""
    return _ID.fullmatch(text) is not None
