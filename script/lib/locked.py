"""Print the entries of requirements.lock that some of the packages named in pyproject.toml need.

    locked.py ROOT run        what the installed program needs: its dependencies, with the store kinds of `s3`
    locked.py ROOT link       what of it a link's container needs
    locked.py ROOT gateway    what of it a gateway's container needs, with PostgreSQL for a group
    locked.py ROOT build      what makes its wheel

The lock file says of each entry which others it is there for; nothing is
resolved anew, so the hashes are the same that every machine installs.
"""

import re
import sys
import tomllib
from pathlib import Path

_LINK = ["anyio", "click", "cryptography", "msgspec"]
_GATEWAY = [*_LINK, "alembic", "litestar", "psycopg", "rich", "sqlalchemy", "uvicorn"]
_ENTRY = re.compile(r"^[A-Za-z0-9]")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def main(root: Path, part: str) -> None:
    """Print the entries."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    wanted = {
        "run": [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["s3"]],
        "link": _LINK,
        "gateway": _GATEWAY,
        "build": project["build-system"]["requires"],
    }[part]
    entries = _entries((root / "requirements.lock").read_text())
    names = {_name(one) for one in wanted}
    grown = True
    while grown:
        more = {name for name, entry in entries.items() if name not in names and names & _reasons(entry)}
        grown = bool(more)
        names |= more
    missing = names - entries.keys()
    if missing:
        sys.exit(f"error: requirements.lock has no {', '.join(sorted(missing))}\nhint: lock the dependencies again")
    print("\n".join(entries[name] for name in sorted(names)))


def _entries(text: str) -> dict[str, str]:
    """Return each package's lines by its name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if _ENTRY.match(line):
            lines = found.setdefault(_name(line), [])
        if not line.startswith("#"):
            lines.append(line)
    return {name: "\n".join(own) for name, own in found.items()}


def _reasons(entry: str) -> set[str]:
    """Return what an entry is there for."""
    _, _, after = entry.partition("# via")
    return {_name(words[0]) for line in after.splitlines() if (words := line.strip(" #").split())}


def _name(requirement: str) -> str:
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
