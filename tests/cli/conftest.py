"""A Hive that answers from a table, so that a command is tested by what it asks and prints."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click.testing
import msgspec
import pytest

from mosaic.cli import credentials, main
from mosaic.crypto import signing
from mosaic.crypto.account import Made
from mosaic.wire.api import Account
from mosaic.wire.enrol import IDENTITY_CONTEXT, HiveIdentity
from support.ran import Json, Ran
from support.running_hive import PASSPHRASE, made_keys

SEED = b"h" * 32
Answer = object | Callable[[Json], object]


@dataclass
class FakeHive:
    """`answers` maps `METHOD /path` to a body, a (status, body) pair, or a function of the request's JSON."""

    url: str = ""
    seed: bytes = SEED
    public_url: str | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, Json]] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its key."""
        return hashlib.sha256(bytes.fromhex(signing.public_key(SEED))).hexdigest()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Answer one request."""
        parts = urlsplit(target)
        if parts.path == "/api/hive":
            return 200, self._identity(parse_qs(parts.query)["nonce"][0])
        asked = json.loads(body) if body else None
        self.asked.append((f"{method} {target}", asked))
        answer = self.answers.get(f"{method} {target}", self.answers.get(f"{method} {parts.path}"))
        if callable(answer):
            answer = answer(asked)
        if answer is None and f"{method} {parts.path}" not in self.answers:
            return 404, msgspec.json.encode(problem("not-found", f"no {parts.path}", "look again"))
        status, found = answer if isinstance(answer, tuple) else (200, answer)
        return status, b"" if found is None else msgspec.json.encode(found)

    def _identity(self, nonce: str) -> bytes:
        signature = signing.sign(self.seed, IDENTITY_CONTEXT, f"{nonce}\n".encode()).hex()
        identity = HiveIdentity(signing.public_key(SEED), nonce, None, signature, "0.1.0", self.public_url)
        return msgspec.json.encode(identity)


def problem(code: str, detail: str, hint: str) -> dict[str, object]:
    """Return a refusal's body."""
    return {"type": f"/errors/{code}", "title": code, "status": 0, "detail": detail, "code": code, "hint": hint}


@pytest.fixture
def hive() -> Iterator[FakeHive]:
    fake = FakeHive()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = fake.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the credentials of whoever runs it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MOSAIC_STATE", str(tmp_path / "state"))
    return tmp_path / "config"


@pytest.fixture
def logged_in(hive: FakeHive, config_folder: Path) -> FakeHive:
    credentials.save(credentials.Credentials(hive.url, "a-token", "account", "owner", signing.public_key(SEED)))
    return hive


@pytest.fixture
def made() -> Made:
    """The keys of the owner's account; PASSPHRASE opens them."""
    return made_keys()


@pytest.fixture
def with_keys(logged_in: FakeHive, made: Made) -> FakeHive:
    """A Hive whose account has keys."""
    logged_in.answers["GET /api/account"] = Account("account", "owner", made.new.keys)
    return logged_in


@pytest.fixture
def words_file(tmp_path: Path) -> str:
    """A file with the owner's passphrase."""
    file = tmp_path / "words"
    file.write_text(PASSPHRASE + "\n")
    return str(file)


@pytest.fixture
def mosaic(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process, without a terminal."""

    def run(*words: str) -> Ran:
        code = main.run(list(words))
        captured = capsys.readouterr()
        return Ran(code, click.unstyle(captured.out), click.unstyle(captured.err))

    return run
