"""What a link is told by its container's environment.

| variable | also | means |
|---|---|---|
| LINK_DOMAIN | LINK; LINK_DOMAIN_DEFAULT where neither is set | its names; none asks the gateway for all |
| LINK_TOKEN | TOKEN; LINK_TOKEN_DEFAULT where neither is set | what it shows its gateway |
| LINK_EXPOSE | EXPOSE | see `expose` |
| LINK_GATEWAY | FRACTAL_API where it is not set | the addresses of its gateways' API |
| LINK_GATEWAY_CA | | a PEM file, or the text of one: whom to trust there instead of the public authorities |
| LINK_LAN | | a port where it serves plain HTTP beside its gateway, whether that answers or not |
| LINK_MODE | | auto (default), kernel, userspace, tcp, lan |
| LINK_TLS | | acme (default), internal (Caddy's own authority), off (lan alone) |
| LINK_ACME_CA, LINK_ACME_ROOT, LINK_EMAIL | | the authority's directory, a PEM file to trust there, who is told by it |
| LINK_EPOCH | | which of two holders of one token is the later |
| LINK_ALLOW, LINK_BASIC_AUTH, LINK_FORWARD_AUTH… | | see `link_guards` |
| LINK_SNIPPET | | a file with more for Caddy, see `caddyfile_snippet` |

A secret may come from a file instead: each name of SECRETS with `_FILE` behind it.
An empty variable is one that is not set: a compose file cannot leave one away.
Two spellings that say different things are a mistake, but for those that stand in where the other is not set.

A link is in LAN mode where nothing could route to it: without a token (`none` is
none), or with names below `.localhost` alone. There is no gateway then, and TLS is off.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from mosaic.core import epoch, link_token
from mosaic.core.domain_name import is_name
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Refused
from mosaic.core.expose import Exposed, ExposeUnreadable
from mosaic.core.expose import parse as parse_expose
from mosaic.core.link_guards import Guards, read_guards
from mosaic.core.link_variables import SECRETS

ModeWish = Literal["auto", "kernel", "userspace", "tcp", "lan"]
Tls = Literal["acme", "internal", "off"]

_MODES: tuple[ModeWish, ...] = get_args(ModeWish)
_TLS: tuple[Tls, ...] = get_args(Tls)

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"

FIRST_EPOCH = Epoch(0, 0)

_EMAIL = re.compile(r"[^\s@<>{}]+@[^\s@<>{}]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class LinkMisconfigured(Refused):
    """The link's variables are not enough, or contradict one another."""

    code = "link-misconfigured"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "; ".join(problems), hint="change the link's `environment` in the compose file, and start the app again"
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Acme:
    """Who certifies: `root` (a PEM file's path) is whom to trust at `directory`, None for the public authorities."""

    directory: str = LETS_ENCRYPT
    root: str | None = None
    email: str = ""


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What a link does. In LAN mode (`mode` is `lan`) `token` is empty and there are no `gateways`."""

    names: tuple[str, ...]
    token: str = field(repr=False)
    gateways: tuple[str, ...]
    exposed: Exposed
    mode: ModeWish = "auto"
    tls: Tls = "acme"
    acme: Acme = field(default_factory=Acme)
    guards: Guards = field(default_factory=Guards)
    gateway_ca: str | None = None
    snippet: str | None = None
    epoch: Epoch = FIRST_EPOCH
    lan_port: int | None = None

    @property
    def is_lan(self) -> bool:
        """Whether it serves this network alone, without a gateway."""
        return self.mode == "lan"


def secret_files(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the paths of the files that stand for secrets, by the secret's variable."""
    return {name: path for name in SECRETS if (path := environment.get(f"{name}_FILE", "").strip())}


def read_settings(environment: Mapping[str, str], contents: Mapping[str, str] | None = None) -> LinkSettings:
    """Read a container's environment. `contents` are those of `secret_files`; a file that cannot be read is left out.

    Raises:
        LinkMisconfigured: with every mistake, and no secret.
    """
    problems: list[str] = []
    values = _values(environment, contents or {}, problems)
    names = _names(_one(values, ("LINK_DOMAIN", "LINK"), ("LINK_DOMAIN_DEFAULT",), problems), problems)
    token = _one(values, ("LINK_TOKEN", "TOKEN"), ("LINK_TOKEN_DEFAULT",), problems)
    exposed = _exposed(_one(values, ("LINK_EXPOSE", "EXPOSE"), (), problems), names, problems)
    mode = _mode(values, names, token, problems)
    is_lan = mode == "lan"
    gateways = () if is_lan else _gateways(_one(values, ("LINK_GATEWAY",), ("FRACTAL_API",), problems), problems)
    if not is_lan:
        _check_token(token, problems)
    found = LinkSettings(
        names=names,
        token="" if is_lan else token,
        gateways=gateways,
        exposed=exposed,
        mode=mode,
        tls=_tls(values, problems, is_lan=is_lan),
        acme=_acme(values, problems),
        guards=read_guards(values, problems),
        gateway_ca=values.get("LINK_GATEWAY_CA"),
        snippet=values.get("LINK_SNIPPET"),
        epoch=_epoch(values, problems),
        lan_port=_lan_port(values, problems),
    )
    if problems:
        raise LinkMisconfigured(problems)
    return found


def _values(environment: Mapping[str, str], contents: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Return what is set, with what the files of secrets say."""
    values = {name: value.strip() for name, value in environment.items() if value.strip()}
    for name, path in secret_files(environment).items():
        if name in values:
            problems.append(f"{name} and {name}_FILE are both set: keep one")
        elif not contents.get(name, "").strip():
            problems.append(f"{name}_FILE is {path}, and nothing can be read there")
        else:
            values[name] = contents[name].strip()
    return values


def _one(values: Mapping[str, str], spellings: Sequence[str], otherwise: Sequence[str], problems: list[str]) -> str:
    """Return what one of these spellings says, or else one of those that stand in for them; "" for none."""
    told = [name for name in spellings if name in values]
    if len({values[name] for name in told}) > 1:
        problems.append(f"{' and '.join(told)} are two spellings of one thing, and say different things: keep one")
    return next((values[name] for name in [*told, *otherwise] if name in values), "")


def _names(text: str, problems: list[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in re.split(r"[\s,]+", text) if text else []:
        name = word.lower().removesuffix(".")
        if not is_name(name):
            problems.append(f"{word[:120]!r} in LINK_DOMAIN (or LINK) is no domain name{_why_not(name)}")
        found[name] = None
    return tuple(found)


def _why_not(name: str) -> str:
    if "://" in name:
        return ": leave the `https://` away"
    if name.startswith("*."):
        return ": a link serves names, each of them told"
    if not name.isascii():
        return ": write it as DNS has it, beginning with xn--"
    return ""


def _exposed(text: str, names: Sequence[str], problems: list[str]) -> Exposed:
    if not text:
        problems.append("EXPOSE is not set: name the service and port to serve, as in EXPOSE=nginx:80")
        return Exposed()
    try:
        return parse_expose(text, names=frozenset(names))
    except ExposeUnreadable as unreadable:
        problems += unreadable.problems
        return Exposed()


def _mode(values: Mapping[str, str], names: Sequence[str], token: str, problems: list[str]) -> ModeWish:
    wish = values.get("LINK_MODE", "auto").lower()
    known = next((mode for mode in _MODES if mode == wish), None)
    if known is None:
        problems.append(f"LINK_MODE is {wish[:40]!r}, and none of {', '.join(_MODES)}")
    elif known != "auto":
        return known
    is_here = bool(names) and all(name.endswith(".localhost") for name in names)
    return "lan" if is_here or token in ("", "none") else "auto"


def _gateways(text: str, problems: list[str]) -> tuple[str, ...]:
    if not text:
        problems.append("LINK_GATEWAY (or FRACTAL_API) is not set: it is the address of the gateway")
    found = dict.fromkeys(word.rstrip("/") for word in re.split(r"[\s,]+", text) if word)
    problems += [problem for word in found if (problem := _why_no_gateway(word))]
    return tuple(found)


def _why_no_gateway(address: str) -> str:
    try:
        parts = urlsplit(address)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "LINK_GATEWAY has what is no address"
    if "@" in parts.netloc:
        return "LINK_GATEWAY has a password in it: the token is all that a gateway is shown"
    if parts.scheme not in ("https", "http") or not has_place or parts.query or parts.fragment:
        return f"LINK_GATEWAY has {address[:120]!r}, and a gateway's address is https://NAME"
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        return f"LINK_GATEWAY has {address[:120]!r}, where the token would be sent in the clear: write https://"
    return ""


def _check_token(token: str, problems: list[str]) -> None:
    if token in ("", "none"):
        problems.append("LINK_TOKEN (or TOKEN) is not set: it is what the link shows its gateway")
    elif link_token.parse(token) is None:
        problems.append("LINK_TOKEN (or TOKEN) is no token of a link: one begins with lk_ and the link's id")


def _tls(values: Mapping[str, str], problems: list[str], *, is_lan: bool) -> Tls:
    wish = values.get("LINK_TLS", "off" if is_lan else "acme").lower()
    known = next((tls for tls in _TLS if tls == wish), None)
    if known is None:
        problems.append(f"LINK_TLS is {wish[:40]!r}, and none of {', '.join(_TLS)}")
        return "acme"
    if known == "off" and not is_lan:
        problems.append(
            "LINK_TLS is off, and a gateway passes on nothing that is not encrypted: off is for LINK_MODE=lan"
        )
    # In LAN mode the encryption of names is not the link's: that mode serves HTTP to the machine's front.
    return "off" if is_lan else known


def _acme(values: Mapping[str, str], problems: list[str]) -> Acme:
    directory, email = values.get("LINK_ACME_CA", LETS_ENCRYPT), values.get("LINK_EMAIL", "")
    if not directory.startswith("https://") or re.search(r"[\s{}]", directory):
        problems.append(f"LINK_ACME_CA is {directory[:120]!r}, and an authority's directory is https://…")
    if email and not _EMAIL.fullmatch(email):
        problems.append(f"LINK_EMAIL is {email[:120]!r}, which is no address of a person")
    return Acme(directory, values.get("LINK_ACME_ROOT"), email)


def _lan_port(values: Mapping[str, str], problems: list[str]) -> int | None:
    text = values.get("LINK_LAN")
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        problems.append(f"LINK_LAN is {text[:40]!r}, and a port is a number from 1 to 65535")
        return None
    return int(text)


def _epoch(values: Mapping[str, str], problems: list[str]) -> Epoch:
    text = values.get("LINK_EPOCH", "0.0")
    try:
        return epoch.parse(text)
    except ValueError:
        problems.append(f"LINK_EPOCH is {text[:40]!r}, and an epoch is two numbers with a dot between them")
        return FIRST_EPOCH
