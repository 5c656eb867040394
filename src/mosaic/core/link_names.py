"""The names that Mosaic gives out: `<app>.<label>.<base>`, under a label that one account alone has.

`base` is a domain of a gateway, the label the account's: two random words, or
what its owner chose, once. An app's name that is taken gets a random word
behind it. Pure: the words are given in, and asking whether something is taken
is the caller's. Only ASCII is given out, so no name here is another's double.
"""

import re
from collections.abc import Callable, Iterable

from mosaic.core.app_name import nearest
from mosaic.core.domain_name import normalise
from mosaic.core.errors import Conflict, Refused

SHORTEST_LABEL = 3
LONGEST_LABEL = 40

_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{1,38}[a-z0-9])", re.ASCII)

_RESERVED = (
    "about abuse account accounts acme admin administrator api app apps assets auth autoconfig autodiscover billing "
    "blog broadcasthost cdn chat console dashboard demo dev dns docs domain email example ftp gateway gateways git gw "
    "help hive home host hostmaster http https imap info internal invalid isatap link links local localdomain "
    "localhost login logout lost mail mailer-daemon mosaic mta mx news nobody noc noreply no-reply ns official "
    "oauth oidc openid payment payments pki pop pop3 postmaster probe proxy public register registry relay root router "
    "sales secure security server setup shop signin signup smtp ssl sso staff static status store support sysadmin "
    "system team test tls tunnel update updates user users usenet uucp vpn webmail webmaster well-known whois wpad "
    "www www1 www2"
)
RESERVED = frozenset(_RESERVED.split())
"""Labels that somebody would take for the operator's, or that programs look up by themselves."""


class LabelUnusable(Refused):
    """An account's part of its links' names cannot be this."""

    code = "link-label-unusable"

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(
            f"{label[:60]!r} cannot be your part of your links' names: {reason}",
            hint=f"choose {SHORTEST_LABEL}–{LONGEST_LABEL} lower-case letters, digits and hyphens, beginning with a "
            "letter, or none: two random words are taken then",
        )


class NoFreeName(Conflict):
    """Every name that was tried is taken."""

    code = "link-name-not-free"

    def __init__(self, what: str) -> None:
        super().__init__(f"no free name was found for {what}", hint="try again; other words are drawn then")


def check_label(label: str) -> str:
    """Return an account's label in its one spelling. Raises LabelUnusable."""
    text = label.strip(" ").lower() if label.isascii() else label
    if not _LABEL.fullmatch(text):
        raise LabelUnusable(label, "it is too short or too long, or has other letters")
    if "--" in text:
        raise LabelUnusable(label, "it has two hyphens beside each other")
    if text in RESERVED or text.rstrip("0123456789-") in RESERVED:
        raise LabelUnusable(label, "people would take it for the operator's")
    return text


def random_label(pairs: Iterable[tuple[str, str]], *, is_taken: Callable[[str], bool]) -> str:
    """Return the first label of two words that nobody has. Raises NoFreeName when all pairs are used up."""
    for one, other in pairs:
        label = f"{one}-{other}"
        if _LABEL.fullmatch(label) and label not in RESERVED and not is_taken(label):
            return label
    raise NoFreeName("your account")


def default_name(app: str, label: str, base: str, words: Iterable[str], *, is_taken: Callable[[str], bool]) -> str:
    """Return the first free name for an installation called `app`: without a word, or with one. Raises NoFreeName."""
    part = nearest(app) or "app"
    # A reserved one never stands alone.
    plain = [] if part in RESERVED else [part]
    for first in (*plain, *(f"{part}-{word}" for word in words)):
        name = normalise(f"{first}.{label}.{base}")
        if not is_taken(name):
            return name
    raise NoFreeName(app)


def own_domain(label: str, base: str) -> str:
    """Return the domain under which an account's names are."""
    return f"{label}.{base}"
