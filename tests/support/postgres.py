"""A real PostgreSQL server for tests: one a test run, one database a test.

It is Debian's, started by an unprivileged user on a UNIX socket in a folder of
its own; MOSAIC_TEST_POSTGRES names another server to use instead, as a URL
whose user may create databases.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

_NUMBERS = itertools.count(1)
_UNPRIVILEGED = ("postgres", "nobody")


def lacks() -> str | None:
    """Say why no server can be had; None when one can."""
    if os.environ.get("MOSAIC_TEST_POSTGRES") or _programs() is not None:
        return None
    return "PostgreSQL is not installed"


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Yield the URL of a server, which is stopped at the end if it was started here."""
    given = os.environ.get("MOSAIC_TEST_POSTGRES")
    if given:
        yield given
        return
    programs = _programs()
    assert programs is not None
    # A socket's path has at most 107 characters; pytest's folders are longer.
    folder = Path(tempfile.mkdtemp(prefix="mosaic-pg-"))
    user = _user()
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    try:
        _run(user, programs / "initdb", "-D", folder / "db", "-U", "mosaic", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60 -c shared_buffers=16MB"
        _run(user, programs / "pg_ctl", "-D", folder / "db", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql://mosaic@/postgres?host={folder}"
        finally:
            _run(user, programs / "pg_ctl", "-D", folder / "db", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """Make an empty database and return its URL."""
    name = f"mosaic_test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return (
        server.replace("/postgres?", f"/{name}?", 1)
        if "/postgres?" in server
        else server.rsplit("/", 1)[0] + f"/{name}"
    )


def postgres_program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs."""
    folder = _programs()
    assert folder is not None
    return folder / name


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def _user() -> str | None:
    """Whom to become: the server refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in _UNPRIVILEGED if name in known)


def _run(user: str | None, *argv: str | Path) -> None:
    done = subprocess.run(
        [str(word) for word in argv], user=user, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )
    assert done.returncode == 0, done.stdout.decode()
