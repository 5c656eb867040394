"""What an owner may add to a link's sites in Caddy's own words, and where something else stands in them. Pure.

Allowed at the top and inside `handle`, `handle_path` and `route`:

    abort  encode  error  header  redir  request_body  request_header  respond  rewrite  uri  reverse_proxy
    handle  handle_path  route, and named matchers (`@name …`)

with the matchers `path path_regexp method header header_regexp query protocol remote_ip client_ip not` and `host`.
Within `reverse_proxy`: `to flush_interval header_up header_down rewrite method transport http`
(`versions tls_insecure_skip_verify dial_timeout response_header_timeout`), to upstreams `service:port`, `http://…` or `h2c://…`.

Nothing else: no site, listener, global option, import, file, template, log, script or certificate, and no
placeholder but those of a request (`{http.…}` and their short forms): `{env.…}`, `{file.…}`, `{$…}` read what is not
the app's. Nor heredocs and expressions, in which all of these could hide.

`refusals` finds these in the text, with their lines; what Caddy then makes of the text is looked at once more, by
what it is (`adapters.caddy_snippet`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_BYTES = 64 * 1024


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DIRECTIVES = _words("""
    abort encode error header redir request_body request_header respond rewrite uri reverse_proxy
    handle handle_path route
    """)
MATCHERS = _words("""
    path path_regexp method header header_regexp query protocol remote_ip client_ip not host
    """)
_NESTING = _words("handle handle_path route")
_PROXY = _words("to flush_interval header_up header_down rewrite method transport")
_TRANSPORT = _words("versions tls_insecure_skip_verify dial_timeout response_header_timeout")
_SHORT = _words("""
    dir file file.base file.ext host hostport method path port query remote_host remote_port scheme uri client_ip
    """)
_SHORT_OF = ("header.", "cookie.", "labels.", "path.", "query.", "re.", "vars.", "rp.", "err.", "http.")
# Caddy ends a word at any blank; those but these three are refused wherever they stand.
_BLANK = re.compile(r"[ \t\n]")
_PLACEHOLDER = re.compile(r"\{([A-Za-z$][^{}\s]*)")
_UPSTREAM = re.compile(r"(?:(?:http|h2c|https)://)?[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?(?::\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a Caddyfile. `quoted` ones are never braces, and `first` ones begin a line."""

    text: str
    line: int
    first: bool
    quoted: bool = False

    def is_brace(self, brace: str) -> bool:
        """Whether it opens or closes a block."""
        return self.text == brace and not self.quoted


@dataclass(frozen=True, slots=True)
class Finding:
    """What is refused, and where."""

    line: int
    sentence: str


class _Unclosed(Exception):
    """A quote or a block that nothing closes; the line where it begins."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def refusals(text: str) -> list[Finding]:
    """Return everything in a snippet that is not allowed, in the order of its lines."""
    try:
        found = list(words(text.replace("\r\n", "\n")))
        findings = [Finding(word.line, said) for word in found if (said := _wrong_word(word))]
        end, more = _block(found, 0, "the snippet")
        if end < len(found):
            more.append(Finding(found[end].line, "`}` closes what the snippet did not open"))
    except _Unclosed as error:
        return [Finding(error.line, str(error))]
    return sorted([*findings, *more], key=lambda finding: finding.line)


def words(text: str) -> Iterator[Word]:
    """Yield the words of a Caddyfile. Raises for a quote that is not closed."""
    at, line, first = 0, 1, True
    while at < len(text):
        letter = text[at]
        if letter == "\n":
            at, line, first = at + 1, line + 1, True
        elif letter in " \t":
            at += 1
        elif letter == "#":
            at = _end_of_line(text, at)
        elif letter in '"`':
            said, after = _quoted(text, at, line)
            yield Word(said, line, first, quoted=True)
            line, at, first = line + text.count("\n", at, after), after, False
        else:
            after = _end_of_word(text, at)
            yield Word(text[at:after], line, first)
            at, first = after, False


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _end_of_word(text: str, at: int) -> int:
    found = _BLANK.search(text, at)
    return len(text) if found is None else found.start()


def _quoted(text: str, at: int, line: int) -> tuple[str, int]:
    quote, said, index = text[at], "", at + 1
    while index < len(text):
        if text[index] == quote:
            return said, index + 1
        escaped = 2 if quote == '"' and text[index] == "\\" else 1
        said += text[index : index + escaped]
        index += escaped
    raise _Unclosed(line, f"the quote {quote} is not closed")


def _wrong_word(word: Word) -> str | None:
    """Return what is wrong with a word wherever it stands."""
    if word.text == "import" and word.first:
        return "`import` is not allowed: it reads other files"
    if not word.quoted and ("<<" in word.text or "\\" in word.text):
        return "a heredoc (`<<`) is not allowed, and a backslash stands in quotes here"
    if not all(letter in " \t\n" or (letter.isprintable() and not letter.isspace()) for letter in word.text):
        return "it has letters that cannot be seen"
    for name in _PLACEHOLDER.findall(word.text):
        if not name.startswith(_SHORT_OF) and name not in _SHORT:
            return f"the placeholder {{{name[:60]}}} is not one of a request"
    return None


def _block(found: Sequence[Word], at: int, where: str) -> tuple[int, list[Finding]]:
    """Look at a block's lines; returns where it ends (at its `}`, or behind the last word)."""
    findings: list[Finding] = []
    while at < len(found) and not found[at].is_brace("}"):
        head = found[at]
        line_end = _line_end(found, at)
        rest = found[at + 1 : line_end]
        opens = bool(rest) and rest[-1].is_brace("{")
        said = _wrong_head(head, rest, where)
        if said:
            findings.append(Finding(head.line, said))
        at = line_end
        if opens:
            at, more = _inside(found, at, head)
            findings += more
    return at, findings


def _inside(found: Sequence[Word], at: int, head: Word) -> tuple[int, list[Finding]]:
    """Look at the block that a line opened; returns where the next line begins."""
    if head.text in _NESTING:
        end, findings = _block(found, at, head.text)
    else:
        allowed = MATCHERS if head.text.startswith("@") else _PROXY if head.text == "reverse_proxy" else None
        end, findings = _options(found, at, head.text, allowed)
    if end >= len(found):
        raise _Unclosed(head.line, f"the block of `{head.text}` is not closed")
    return end + 1, findings


def _options(found: Sequence[Word], at: int, where: str, allowed: frozenset[str] | None) -> tuple[int, list[Finding]]:
    findings: list[Finding] = []
    while at < len(found) and not found[at].is_brace("}"):
        head, line_end = found[at], _line_end(found, at)
        if allowed is not None and head.text not in allowed:
            findings.append(Finding(head.line, f"`{head.text[:60]}` is not allowed in `{where}`"))
        if head.text == "transport" and [word.text for word in found[at + 1 : at + 2]] != ["http"]:
            findings.append(Finding(head.line, "no transport but `http` is allowed"))
        if head.text == "to" and where == "reverse_proxy":
            findings += _wrong_upstreams(found[at + 1 : line_end])
        opens = line_end > at and found[line_end - 1].is_brace("{")
        at = line_end
        if opens:
            inner = _TRANSPORT if head.text == "transport" else MATCHERS if head.text == "not" else frozenset[str]()
            end, more = _options(found, at, head.text, inner)
            if end >= len(found):
                raise _Unclosed(head.line, f"the block of `{head.text}` is not closed")
            at, findings = end + 1, [*findings, *more]
    return at, findings


def _wrong_head(head: Word, rest: Sequence[Word], where: str) -> str | None:
    if head.is_brace("{"):
        return "a block without a name is not allowed"
    if head.text.startswith("@"):
        kind = rest[0] if rest else None
        if kind is not None and not kind.is_brace("{") and kind.text not in MATCHERS and not kind.text.startswith("/"):
            return f"the matcher `{kind.text[:60]}` is not allowed"
        return None
    if head.text not in DIRECTIVES or head.quoted:
        return f"`{head.text[:60]}` is not allowed in {where}"
    if head.text == "reverse_proxy":
        wrong = _wrong_upstreams([word for word in rest if not word.text.startswith(("@", "/", "*"))])
        return wrong[0].sentence if wrong else None
    return None


def _wrong_upstreams(told: Sequence[Word]) -> list[Finding]:
    return [
        Finding(word.line, f"{word.text[:80]!r} is not a service and its port")
        for word in told
        if not word.is_brace("{") and not _UPSTREAM.fullmatch(word.text)
    ]


def _line_end(found: Sequence[Word], at: int) -> int:
    """Return where the line that begins here ends. A `}` of its own line is not part of it."""
    end = at + 1
    while end < len(found) and not found[end].first and not found[end].is_brace("}"):
        end += 1
    return end
