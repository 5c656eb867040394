"""A reason beside every suppression, as a gate.

A suppression has a check, an error or a reader look away: `noqa`, `type:
ignore`, `pragma`, a thing left to do, an `except` or `suppress` of everything,
a test that is skipped or may fail. Its reason is words on the same line, in the
comment directly above, or in the comment that begins its block; of a test,
what pytest shows. Whether the words are true is for the reader to judge.

Prints one sentence per suppression without a reason and exits 1; prints nothing when all is well.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

_DIRECTIVE = re.compile(
    r"noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?|pragma:\s*no\s+\w+|\b(?:TODO|FIXME)\b"
)
_WORTH_A_LOOK = re.compile(r"except:|Exception|pytest\.(?:mark\.)?(?:skip|xfail)")  # reading each word takes seconds
_WORDS = re.compile(r"[A-Za-z]{2,}")
_EVERYTHING = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}
_LOOKS_AWAY = {"skip", "skipif", "xfail"}


def breaches(path: Path) -> Iterator[str]:
    """Yield a sentence for each suppression in a module that gives no reason."""
    text = path.read_text(encoding="utf-8")
    if not (_DIRECTIVE.search(text) or _WORTH_A_LOOK.search(text)):
        return
    comments = _Comments(text)
    for number, comment in comments.by_line.items():
        if _DIRECTIVE.search(comment) and not comments.explain(number, number):
            yield f"{path}:{number}: '{comment.lstrip('# ')}' does not say why"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler | ast.With) and _is_broad(node):
            if not comments.explain(node.lineno, node.body[0].lineno - 1):
                yield f"{path}:{node.lineno}: everything is caught, and nothing says why"
        elif isinstance(node, ast.Call | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from (f"{path}:{line}: a test looks away, and does not say why" for line in _mute_tests(node))


class _Comments:
    """The comments of a module by line, and which of them have a line to themselves."""

    def __init__(self, text: str) -> None:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found = [token for token in tokens if token.type == tokenize.COMMENT]
        self.by_line = {token.start[0]: token.string for token in found}
        self._alone = {token.start[0] for token in found if not token.line[: token.start[1]].strip()}

    def explain(self, first: int, last: int) -> bool:
        """Whether one on these lines, or by itself directly above them, has words that are no directive."""
        lines = [*({first - 1} & self._alone), *range(first, last + 1)]
        return any(_WORDS.search(_DIRECTIVE.sub("", self.by_line.get(line, ""))) for line in lines)


def _is_broad(node: ast.ExceptHandler | ast.With) -> bool:
    """Whether it catches everything."""
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _names_everything(node.type)
    calls = [one.context_expr for one in node.items if isinstance(one.context_expr, ast.Call)]
    return any(_last_name(call.func) == "suppress" and any(map(_names_everything, call.args)) for call in calls)


def _names_everything(caught: ast.expr) -> bool:
    several = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(_last_name(one) in _EVERYTHING for one in several)


def _mute_tests(node: ast.Call | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[int]:
    """Yield the lines on which pytest is told to skip, or to expect a failure, for no reason."""
    if not isinstance(node, ast.Call):
        yield from (mark.lineno for mark in node.decorator_list if _is_pytests(mark))
    elif _is_pytests(node.func):
        is_condition = _last_name(node.func) != "skip"
        if len(node.args) <= is_condition and not any(one.arg == "reason" for one in node.keywords):
            yield node.lineno


def _is_pytests(name: ast.expr) -> bool:
    return ast.unparse(name).startswith("pytest.") and _last_name(name) in _LOOKS_AWAY


def _last_name(name: ast.expr) -> str:
    return name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""


def main() -> None:
    modules = [path for folder in sys.argv[1:] for path in sorted(Path(folder).rglob("*.py"))]
    found = [breach for path in modules for breach in breaches(path)]
    for breach in found:
        print(breach)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
