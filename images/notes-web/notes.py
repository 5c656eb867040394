"""The sample app: notes in PostgreSQL, attached files in a folder.

It keeps state in two places on purpose: a note's row and its file are only
right together, so a snapshot that cuts the two volumes at different instants
shows here as a row whose file is missing or differs.

A file is on the disk, complete, before the row that names it is committed.
Migrations run at start, one transaction each, and their numbers are recorded
in `schema_version`; data of a newer release than this one is refused.
"""

import hashlib
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bottle
import psycopg2
import psycopg2.extensions
import psycopg2.extras
import waitress

VERSION = int(os.environ.get("NOTES_VERSION", "1"))
FILES = Path("/srv/files")
HERE = Path(__file__).parent
LARGEST_FILE_BYTES = 16 * 1024 * 1024
START_DEADLINE_SECONDS = 120
MIGRATION_LOCK = 20_07

app = bottle.Bottle()


@contextmanager
def transaction() -> Iterator[psycopg2.extensions.cursor]:
    """One connection for one request: nothing to repair after the database restarts."""
    connection = psycopg2.connect(connect_timeout=5, cursor_factory=psycopg2.extras.RealDictCursor)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def migrate() -> None:
    """Bring the database to this release. May be called by several processes at once."""
    with transaction() as sql:
        sql.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        sql.execute(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (number int PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        sql.execute("SELECT coalesce(max(number), 0) AS number FROM schema_version")
        found = sql.fetchone()["number"]
        if found > VERSION:
            sys.exit(f"release {found} of notes wrote this data, and this is release {VERSION}: update the app")
        for number in range(found + 1, VERSION + 1):
            sql.execute((HERE / "migrations" / f"{number}.sql").read_text())
            sql.execute("INSERT INTO schema_version (number) VALUES (%s)", (number,))
            print(f"migrated the database to {number}", flush=True)


def migrate_when_the_database_answers() -> None:
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while True:
        try:
            return migrate()
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                sys.exit(f"the database did not answer within {START_DEADLINE_SECONDS} s: {error}")
            time.sleep(0.2)


def add_note(text: str, upload: bottle.FileUpload | None) -> int:
    text = text.strip()
    if not text:
        raise bottle.HTTPError(400, "a note needs some text")
    with transaction() as sql:
        sql.execute("INSERT INTO notes (text) VALUES (%s) RETURNING id", (text,))
        note_id: int = sql.fetchone()["id"]
        if upload is not None and upload.raw_filename:
            attach(sql, note_id, upload.raw_filename, upload.file.read(LARGEST_FILE_BYTES + 1))
    return note_id


def attach(sql: psycopg2.extensions.cursor, note_id: int, name: str, content: bytes) -> str:
    if len(content) > LARGEST_FILE_BYTES:
        raise bottle.HTTPError(413, f"a file may have {LARGEST_FILE_BYTES} bytes at most")
    file_id = str(uuid.uuid4())
    sql.execute("SELECT 1 FROM notes WHERE id = %s", (note_id,))
    if sql.fetchone() is None:
        raise bottle.HTTPError(404, f"there is no note {note_id}")
    write_durably(FILES / file_id, content)
    sql.execute(
        "INSERT INTO files (id, note_id, name, size_bytes, sha256) VALUES (%s, %s, %s, %s, %s)",
        (file_id, note_id, Path(name).name, len(content), hashlib.sha256(content).hexdigest()),
    )
    return file_id


def write_durably(path: Path, content: bytes) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def list_notes() -> list[dict[str, Any]]:
    """Newest first; from release 2 on, pinned notes before the others."""
    with transaction() as sql:
        if VERSION >= 2:
            sql.execute("SELECT id, text, pinned, written_at FROM notes ORDER BY pinned DESC, id DESC LIMIT 1000")
        else:
            sql.execute("SELECT id, text, written_at FROM notes ORDER BY id DESC LIMIT 1000")
        notes = [{**row, "written_at": row["written_at"].isoformat(timespec="seconds")} for row in sql.fetchall()]
        sql.execute("SELECT note_id, id, name, size_bytes, sha256 FROM files ORDER BY name")
        files: dict[int, list[dict[str, Any]]] = {}
        for row in sql.fetchall():
            files.setdefault(row.pop("note_id"), []).append(dict(row))
    return [{**note, "files": files.get(note["id"], [])} for note in notes]


@app.get("/healthz")
def health() -> dict[str, int]:
    with transaction() as sql:
        sql.execute("SELECT max(number) AS number FROM schema_version")
        return {"version": VERSION, "schema": sql.fetchone()["number"]}


@app.get("/")
def index() -> str:
    return bottle.template((HERE / "page.html").read_text(), notes=list_notes(), version=VERSION)


@app.post("/notes")
def add_from_form() -> None:
    add_note(bottle.request.forms.getunicode("text", ""), bottle.request.files.get("file"))
    bottle.redirect("/", 303)


@app.get("/api/notes")
def list_as_json() -> dict[str, list[dict[str, Any]]]:
    return {"notes": list_notes()}


@app.post("/api/notes")
def add_from_json() -> dict[str, int]:
    body = bottle.request.json
    if not isinstance(body, dict) or not isinstance(body.get("text"), str):
        raise bottle.HTTPError(400, 'send {"text": "…"} as application/json')
    bottle.response.status = 201
    return {"id": add_note(body["text"], None)}


@app.put("/api/notes/<note_id:int>/files/<name>")
def attach_body(note_id: int, name: str) -> dict[str, str]:
    content = bottle.request.body.read(LARGEST_FILE_BYTES + 1)
    with transaction() as sql:
        file_id = attach(sql, note_id, name, content)
    bottle.response.status = 201
    return {"id": file_id}


@app.get("/files/<file_id:re:[0-9a-f-]{36}>")
def download(file_id: str) -> bottle.HTTPResponse:
    with transaction() as sql:
        sql.execute("SELECT name FROM files WHERE id = %s", (file_id,))
        row = sql.fetchone()
    if row is None:
        raise bottle.HTTPError(404, "there is no such file")
    # Always a download, never shown in place: an attached page must not run as this site.
    return bottle.static_file(file_id, root=str(FILES), download=row["name"], mimetype="application/octet-stream")


@app.post("/notes/<note_id:int>/pin")
def pin(note_id: int) -> None:
    if VERSION < 2:
        raise bottle.HTTPError(404, "pinning came with release 2")
    with transaction() as sql:
        sql.execute("UPDATE notes SET pinned = NOT pinned WHERE id = %s", (note_id,))
    bottle.redirect("/", 303)


def errors_as_json(error: bottle.HTTPError) -> str:
    bottle.response.content_type = "application/json"
    return bottle.json_dumps({"error": str(error.body)})


def stop(*_: object) -> None:
    sys.exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    bottle.BaseRequest.MEMFILE_MAX = 1024 * 1024
    handler: Callable[[bottle.HTTPError], str] = errors_as_json
    app.error_handler = dict.fromkeys((400, 404, 413), handler)
    migrate_when_the_database_answers()
    print(f"notes, release {VERSION}, on port 8000", flush=True)
    # Inside a container every interface means the app's own network.
    waitress.serve(app, host="0.0.0.0", port=8000, threads=4, ident="notes")  # noqa: S104


if __name__ == "__main__":
    main()
