"""The Device's image installs what the lock file says the program needs, and nothing that only its makers need."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def locked(part: str) -> dict[str, str]:
    """Return the printed entries by the package's name."""
    program = ROOT / "script/lib/locked.py"
    done = subprocess.run([sys.executable, program, ROOT, part], capture_output=True, text=True, timeout=60, check=True)
    blocks: list[list[str]] = []
    for line in done.stdout.splitlines():
        if line and not line.startswith((" ", "#")):
            blocks.append([])
        blocks[-1].append(line)
    return {block[0].partition("==")[0]: "\n".join(block) for block in blocks}


def test_what_runs_is_there_with_what_it_needs_and_its_tools_are_not() -> None:
    found = locked("run")
    assert {"msgspec", "cryptography", "cffi", "obstore", "websockets", "h11"} <= found.keys()
    assert not {"pytest", "mypy", "ruff", "hypothesis", "psycopg", "hatchling", "playwright"} & found.keys()


def test_a_link_gets_little_of_it() -> None:
    found = locked("link")
    assert {"anyio", "click", "cryptography", "cffi", "msgspec"} <= found.keys() < locked("run").keys()
    assert not {"sqlalchemy", "litestar", "httpx2", "obstore"} & found.keys()


def test_a_gateway_gets_what_serves_and_the_client_of_its_groups_database() -> None:
    found = locked("gateway")
    assert {"litestar", "uvicorn", "h11", "sqlalchemy", "alembic", "psycopg", "psycopg-binary"} <= found.keys()
    assert not {"tuf", "obstore", "websockets", "pytest"} & found.keys()


def test_what_makes_the_wheel_is_there_with_what_it_needs() -> None:
    assert {"hatchling", "pathspec", "packaging"} <= locked("build").keys()


@pytest.mark.parametrize("part", ["run", "gateway", "build"])
def test_every_entry_has_its_hashes(part: str) -> None:
    assert all("--hash=sha256:" in entry for entry in locked(part).values())
