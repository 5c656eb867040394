"""What stands before an app at its link: who may come by address, by password, or by another service's word.

Read from the environment's texts; each reader takes one variable and adds its
mistakes to `problems`, with the variable's name. In this order a request is
asked: its address, its password, the other service.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mosaic.core.expose import ExposeUnreadable, Upstream
from mosaic.core.expose import parse as parse_expose

_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}", re.ASCII)
_ARGON2 = re.compile(r"\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", re.ASCII)
_USER = re.compile(r"[^\s:{}\x00-\x1f\x7f]{1,128}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_URI = re.compile(r"/[A-Za-z0-9._~/?&=%+-]*", re.ASCII)
_SIGN_IN = re.compile(r"(?:https?://[A-Za-z0-9.:-]+)?/(?:[A-Za-z0-9._~/?&=%+:-]|\{url\})*", re.ASCII)

DEFAULT_HEADERS = ("Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email")
"""What an app is told of who was let in, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class BasicUser:
    """Who may come with a password, by a hash of it: bcrypt, or Argon2id."""

    name: str
    password_hash: str = field(repr=False)

    @property
    def algorithm(self) -> str:
        """What made the hash."""
        return "bcrypt" if self.password_hash.startswith("$2") else "argon2id"


@dataclass(frozen=True, slots=True)
class ForwardAuth:
    """A service that is asked about each request before the app is, and lets it pass by any answer of 2xx.

    `uri` is what it is asked for. `headers` of its answer are passed to the app, which nobody else can set.
    Requests below `own_path` go to the service itself, unasked ("" for none): its sign-in pages and where OIDC comes
    back to. Who is answered 401 is sent to `sign_in` ("" to pass the answer on), with `{url}` where they wanted to go.
    """

    upstream: Upstream
    uri: str
    headers: tuple[str, ...] = DEFAULT_HEADERS
    own_path: str = ""
    sign_in: str = ""


@dataclass(frozen=True, slots=True)
class Guards:
    """All three. `allowed` are networks, as `address/prefix`; none is everybody."""

    allowed: tuple[str, ...] = ()
    users: tuple[BasicUser, ...] = ()
    forward: ForwardAuth | None = None


def read_guards(values: Mapping[str, str], problems: list[str]) -> Guards:
    """Read LINK_ALLOW, LINK_BASIC_AUTH and LINK_FORWARD_AUTH with its options, and add what is wrong to `problems`."""
    return Guards(
        _networks(values.get("LINK_ALLOW", ""), problems),
        _users(values.get("LINK_BASIC_AUTH", ""), problems),
        _forward(values, problems),
    )


def _networks(text: str, problems: list[str]) -> tuple[str, ...]:
    found = []
    for word in re.split(r"[\s,]+", text.strip()) if text.strip() else []:
        try:
            found.append(str(ipaddress.ip_network(word, strict=False)))
        except ValueError:
            problems.append(f"LINK_ALLOW has {word[:80]!r}, which is no address and no network such as 192.0.2.0/24")
    return tuple(found)


def _users(text: str, problems: list[str]) -> tuple[BasicUser, ...]:
    found: dict[str, BasicUser] = {}
    for number, word in enumerate(text.split(), 1):
        # Never shown: whoever wrote a password for a hash would read it in the log.
        name, colon, password_hash = word.partition(":")
        if not colon or not _USER.fullmatch(name):
            problems.append(f"LINK_BASIC_AUTH's entry {number} is not name:hash")
        elif not _BCRYPT.fullmatch(password_hash) and not _ARGON2.fullmatch(password_hash):
            problems.append(
                f"LINK_BASIC_AUTH has no hash for {name!r}: `caddy hash-password` makes one of a password, and in a "
                "compose file each $ of it is written twice"
            )
        elif name in found:
            problems.append(f"LINK_BASIC_AUTH has {name!r} twice")
        else:
            found[name] = BasicUser(name, password_hash)
    if len({user.algorithm for user in found.values()}) > 1:
        problems.append("LINK_BASIC_AUTH has hashes of bcrypt and of Argon2id: make all of them with one")
    return tuple(found.values())


def _forward(values: Mapping[str, str], problems: list[str]) -> ForwardAuth | None:
    address = values.get("LINK_FORWARD_AUTH", "")
    options = {name: values.get(f"LINK_FORWARD_AUTH_{name}", "") for name in ("HEADERS", "OWN_PATH", "SIGN_IN")}
    if not address:
        problems += [
            f"LINK_FORWARD_AUTH_{name} is set, and LINK_FORWARD_AUTH is not" for name in options if options[name]
        ]
        return None
    upstream, uri = _asked(address, problems)
    headers = tuple(re.split(r"[\s,]+", options["HEADERS"].strip())) if options["HEADERS"].strip() else DEFAULT_HEADERS
    problems += [
        f"LINK_FORWARD_AUTH_HEADERS has {word[:80]!r}, which is no header"
        for word in headers
        if not _HEADER.fullmatch(word)
    ]
    own_path = options["OWN_PATH"].rstrip("/")
    if own_path and (not _URI.fullmatch(own_path) or "?" in own_path or "%" in own_path):
        problems.append(f"LINK_FORWARD_AUTH_OWN_PATH is {own_path[:80]!r}, and not a path such as /oauth2")
    if options["SIGN_IN"] and not _SIGN_IN.fullmatch(options["SIGN_IN"]):
        problems.append(
            f"LINK_FORWARD_AUTH_SIGN_IN is {options['SIGN_IN'][:80]!r}, and not such as /oauth2/sign_in?rd={{url}}"
        )
    if upstream is None:
        return None
    return ForwardAuth(upstream, uri, headers, own_path, options["SIGN_IN"])


def _asked(address: str, problems: list[str]) -> tuple[Upstream | None, str]:
    try:
        parts = urlsplit(address)
        if not parts.scheme.startswith("http") or parts.fragment or "@" in parts.netloc:
            raise ValueError
        uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not _URI.fullmatch(uri):
            raise ValueError
        # One target of EXPOSE's grammar; more than that is no address.
        site = parse_expose(f"{parts.scheme}://{parts.netloc}").sites[0]
    except (ValueError, ExposeUnreadable):
        problems.append(
            f"LINK_FORWARD_AUTH is {address[:120]!r}, and not an address such as http://authelia:9091/api/authz/forward-auth"
        )
        return None, "/"
    return site.upstream, uri
