"""The table of all errors, read from the source: `python -m tests.docs.error_table` writes docs/errors/index.md."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mosaic"
PAGE = ROOT / "docs" / "errors" / "index.md"

HEADING = """\
# Errors and what to do

Every refusal and failure of Mosaic has a code. The API gives it as the problem's type
(`/errors/<code>`), the command line with `--json`. The sentence that comes with it says what is true
here and now; the hint says what to do. Nothing was changed by a refusal.

This table is made from the source by `python -m tests.docs.error_table`; a test holds them together.

| code | means | what to do | raised by |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Entry:
    """One error class that has a code of its own."""

    code: str
    means: str
    remedy: str
    package: str


@cache
def entries() -> tuple[Entry, ...]:
    """Return all errors of the source, by code. Read once: that takes a second."""
    found = [entry for file in sorted(SOURCE.rglob("*.py")) for entry in _of_file(file)]
    return tuple(sorted(set(found), key=lambda entry: (entry.code, entry.package, entry.means, entry.remedy)))


def table(found: tuple[Entry, ...]) -> str:
    """Return the page."""
    rows = []
    for code in sorted({entry.code for entry in found}):
        ones = [entry for entry in found if entry.code == code]
        means = "<br>".join(dict.fromkeys(entry.means for entry in ones))
        remedies = "<br>".join(dict.fromkeys(entry.remedy for entry in ones if entry.remedy)) or "the hint says it"
        packages = ", ".join(sorted({entry.package for entry in ones}))
        rows.append(f'| <a id="{code}"></a>`{code}` | {means} | {remedies} | {packages} |')
    return HEADING + "\n".join(rows) + "\n"


def _of_file(file: Path) -> Iterator[Entry]:
    package = file.relative_to(SOURCE).parts[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef) and (code := _code(node)) is not None:
            means = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            yield Entry(code, _cell(means), _cell(_hint(node)), package)


def _code(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            targets: list[ast.expr] = [statement.target]
        elif isinstance(statement, ast.Assign):
            targets = statement.targets
        else:
            continue
        named = any(isinstance(target, ast.Name) and target.id == "code" for target in targets)
        if named and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
            # A field that is empty unless something went wrong is no error's code.
            return statement.value.value or None
    return None


def _hint(node: ast.ClassDef) -> str:
    """Return the hint where it is the same for every case, with … for what is filled in."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "hint":
                    return _text(keyword.value)
    return ""


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in value.values)
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(table(entries()))
