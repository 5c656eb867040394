"""Reading what a registry asks for with a 401: the `WWW-Authenticate` header (RFC 9110, section 11.6.1)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_LONGEST = 8192
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 (a pattern, no secret)
_SEPARATORS = re.compile(r"[\s,]*")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_SCHEME = re.compile(rf"({_TOKEN})(?=[\s,]|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that is offered: its scheme in lower case, and its parameters by lower-case name."""

    scheme: str
    parameters: Mapping[str, str]


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Return all that are offered. What cannot be read ends its header: what came before it counts."""
    return [challenge for header in headers for challenge in _read(header[:_LONGEST])]


def _read(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    at = _end(_SEPARATORS.match(header))
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        if parameter is not None and found:
            quoted, plain = parameter[2], parameter[3]
            found[-1][1][parameter[1].lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            at = parameter.end()
        elif (scheme := _SCHEME.match(header, at)) is not None:
            found.append((scheme[1].lower(), {}))
            at = scheme.end()
        else:
            break
        at = _end(_SEPARATORS.match(header, at))
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _end(separators: re.Match[str] | None) -> int:
    assert separators is not None, "the pattern matches nothing as well"
    return separators.end()
