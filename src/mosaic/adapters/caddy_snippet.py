"""An owner's Caddyfile text as routes of a link's sites: looked at by its words, made JSON by Caddy, looked at again.

Caddy makes it as the body of one site, with nothing in its environment, so a text
that leaves this site shows. Of the JSON nothing is taken but handlers and matchers
of closed lists with fields of closed lists: whatever else a word could mean, it does not get in.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from mosaic.adapters import caddy, process
from mosaic.adapters.caddy import Json, JsonValue
from mosaic.core.caddyfile_snippet import MATCHERS, MOST_BYTES, refusals
from mosaic.core.errors import Refused

_DEADLINE_SECONDS = 15.0
_SITE = "http://snippet.invalid"

_HANDLERS: Mapping[str, Collection[str]] = {
    "encode": {"encodings", "prefer", "minimum_length", "match"},
    "error": {"error", "status_code"},
    "headers": {"request", "response"},
    "request_body": {"max_size", "set"},
    "reverse_proxy": {"upstreams", "headers", "rewrite", "flush_interval", "transport"},
    "rewrite": {
        "method",
        "uri",
        "strip_path_prefix",
        "strip_path_suffix",
        "uri_substring",
        "path_regexp",
        "query",
    },
    "static_response": {"status_code", "headers", "body", "close", "abort"},
    "subroute": {"routes"},
}
_ROUTE = {"group", "match", "handle", "terminal"}
_TRANSPORT = {"protocol", "versions", "tls", "dial_timeout", "response_header_timeout"}


class SnippetRefused(Refused):
    """The snippet says what a link's site may not."""

    code = "link-snippet-refused"

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "; ".join(problems),
            hint="a snippet has handlers of the link's own sites alone; the documentation of links lists them",
        )
        self.problems = tuple(problems)


class _Escaped(Exception):
    """What Caddy made of the text is more than it may be."""


def read_snippet(file: Path) -> tuple[Json, ...]:
    """Return the routes of a snippet's file.

    Raises:
        SnippetRefused: it cannot be read, or says what is not allowed: `file:line` and what, for each.
    """
    try:
        text = file.read_bytes()[: MOST_BYTES + 1].decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SnippetRefused([f"{file}: it cannot be read ({error})"]) from None
    if len(text.encode()) > MOST_BYTES:
        raise SnippetRefused([f"{file}: it is longer than {MOST_BYTES // 1024} KiB"])
    found = refusals(text)
    if found:
        raise SnippetRefused([f"{file}:{finding.line}: {finding.sentence}" for finding in found])
    return _routes(file, text)


def _routes(file: Path, text: str) -> tuple[Json, ...]:
    with TemporaryDirectory() as folder:
        # Its first line is the site's, so Caddy's lines are one more than the owner's.
        whole = Path(folder) / "Caddyfile"
        whole.write_text(f"{_SITE} {{\n{text}\n}}\n")
        finished = process.attempt(
            [caddy.PROGRAM, "adapt", "--adapter", "caddyfile", "--config", str(whole)],
            deadline_seconds=_DEADLINE_SECONDS,
            env={"HOME": folder},
            inherited=frozenset(["PATH"]),
        )
    if finished.code != 0:
        raise SnippetRefused([_caddy_says(file, finished.last_lines(), str(whole))])
    try:
        return _taken(msgspec.json.decode(finished.stdout, type=dict[str, object]))
    except (_Escaped, msgspec.MsgspecError) as error:
        raise SnippetRefused([f"{file}: {error}"]) from None


def _caddy_says(file: Path, said: str, whole: str) -> str:
    """Return Caddy's sentence with the owner's file and line in it."""
    sentence = said.splitlines()[-1] if said else "Caddy does not take it"
    sentence = sentence.removeprefix("Error: ").removeprefix("adapting config using caddyfile: ")
    place, colon, rest = sentence.partition(f"{whole}:")
    number, _, after = rest.partition(":") if colon else ("", "", "")
    digits = number.split(" ")[0]
    if digits.isdigit():
        return f"{file}:{int(digits) - 1}:{number.removeprefix(digits)}{after or place}".strip()
    return f"{file}: {sentence}"


def _taken(adapted: Mapping[str, object]) -> tuple[Json, ...]:
    """Return the routes of the one site. Raises _Escaped for whatever else there is."""
    if adapted in ({}, {"apps": {}}):
        return ()
    server = _only(_only(_only(_only(adapted, "apps"), "http"), "servers"), "srv0")
    if set(server) - {"listen", "routes", "automatic_https"} or server.get("listen") != [":80"]:
        raise _Escaped("it changes more than its site")
    routes = _list(server.get("routes", []))
    if not routes:
        return ()
    if len(routes) != 1:
        raise _Escaped("it makes more than its site")
    site = _object(routes[0])
    handlers = _list(site.get("handle", []))
    if site.get("match") != [{"host": ["snippet.invalid"]}] or len(handlers) > 1:
        raise _Escaped("it makes another site")
    if not handlers:
        return ()
    subroute = _object(handlers[0])
    if subroute.get("handler") != "subroute" or set(subroute) - {"handler", "routes"}:
        raise _Escaped("it makes more of its site than routes")
    return tuple(_route(route) for route in _list(subroute.get("routes", [])))


def _route(value: object) -> Json:
    route = _object(value)
    _within(route, _ROUTE, "a route")
    made: Json = {}
    if "match" in route:
        made["match"] = [_matchers(each) for each in _list(route["match"])]
    made["handle"] = [_handler(each) for each in _list(route.get("handle", []))]
    if "group" in route:
        # Of the snippet alone: no group of ours may be called so.
        made["group"] = f"snippet-{route['group']}"
    if route.get("terminal"):
        made["terminal"] = True
    return made


def _handler(value: object) -> Json:
    handler = _object(value)
    kind = str(handler.get("handler"))
    if kind not in _HANDLERS:
        raise _Escaped(f"the handler {kind!r} is not allowed")
    _within(handler, {"handler", *_HANDLERS[kind]}, kind)
    if kind == "subroute":
        return {"handler": kind, "routes": [_route(each) for each in _list(handler.get("routes", []))]}
    if kind == "reverse_proxy":
        for upstream in _list(handler.get("upstreams", [])):
            dial = str(_object(upstream).get("dial", ""))
            if "/" in dial or "{" in dial:
                raise _Escaped(f"{dial!r} is not a service and its port")
        transport = _object(handler.get("transport", {"protocol": "http"}))
        _within(transport, _TRANSPORT, "a transport")
        _within(_object(transport.get("tls", {})), {"insecure_skip_verify"}, "a transport's TLS")
        if transport.get("protocol") != "http":
            raise _Escaped("a transport is HTTP")
    if kind == "encode":
        _within(_object(handler.get("encodings", {})), {"gzip", "zstd"}, kind)
    return {name: _plain(part) for name, part in handler.items()}


def _matchers(value: object) -> Json:
    found = _object(value)
    _within(found, MATCHERS, "a matcher")
    made: Json = {}
    for name, part in found.items():
        made[name] = [_matchers(each) for each in _list(part)] if name == "not" else _plain(part)
    return made


def _plain(value: object) -> JsonValue:
    """Return a value with every text in it looked at: no placeholder but a request's."""
    if isinstance(value, dict):
        return {_text(str(name)): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int):
        return value
    raise _Escaped("it has a value that no handler takes")


def _text(text: str) -> str:
    for part in text.split("{")[1:]:
        if part[:1].isalpha() and not part.startswith("http."):
            raise _Escaped(f"the placeholder {{{part[:40]} is not one of a request")
        if part[:1] == "$":
            raise _Escaped("it reads the environment")
    return text


def _within(found: Mapping[str, object], allowed: Collection[str], what: str) -> None:
    more = sorted(set(found) - set(allowed))
    if more:
        raise _Escaped(f"{what} may not have {', '.join(more)}")


def _only(found: Mapping[str, object], name: str) -> Mapping[str, object]:
    if set(found) != {name}:
        raise _Escaped(f"it changes {', '.join(sorted(set(found) - {name})) or 'nothing'} beside its site")
    return _object(found[name])


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Escaped("Caddy made of it what is not understood here")
    return {str(name): part for name, part in value.items()}


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _Escaped("Caddy made of it what is not understood here")
    return list(value)
