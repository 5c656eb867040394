"""A publisher of Targets, a web server that may lie about them, and a Device that asks it."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.publishing import Published, Release
from mosaic.adapters.trust.repository import Repository
from mosaic.adapters.trust.trusted_targets import TrustedTargets
from mosaic.core.ids import DeviceId
from mosaic.core.roll_out import EVERYONE, RollOut
from mosaic.core.target import Target
from mosaic.core.target_choice import Taker

NOW_NS = 1_800_000_000 * 10**9
DAY_NS = 24 * 3600 * 10**9
AMD64 = Taker("generic-amd64", DeviceId("d" * 32))

Answer = bytes | Callable[[BaseHTTPRequestHandler], None]


def release(app: str, text: str) -> Release:
    """Return an app whose manifest says some text."""
    manifest = json.dumps({"schemaVersion": 2, "app": app, "text": text}).encode()
    return Release(f"registry.example/apps/{app}@sha256:{hashlib.sha256(manifest).hexdigest()}", manifest)


@dataclass
class Publisher:
    """A repository, the folder that it is served from, and its clock."""

    folder: Path
    now_ns: int = NOW_NS
    root: bytes = b""

    @property
    def public(self) -> Path:
        """What a web server serves."""
        return self.folder / "public"

    @property
    def files(self) -> PublicFiles:
        """The served folder, as the publisher writes it."""
        return PublicFiles(self.public)

    def at(self, files: PublicFiles) -> Repository:
        """The repository in other files, with all keys at hand."""
        return Repository(files, KeyFolder(self.folder / "online"), KeyFolder(self.folder / "drawer"))

    @property
    def with_drawer(self) -> Repository:
        """The repository with all keys at hand."""
        return self.at(self.files)

    @property
    def alone(self) -> Repository:
        """The repository as the publishing machine has it: without the keys of root and targets."""
        return Repository(self.files, KeyFolder(self.folder / "online"))

    def create(self, *channels: str) -> "Publisher":
        """Make the repository."""
        self.root = ceremony.create(self.with_drawer, channels=channels, now_ns=self.now_ns)
        return self

    def publish(
        self,
        text: str,
        *,
        channel: str = "stable",
        hardware: Sequence[str] = ("generic-amd64",),
        roll_out: RollOut = EVERYONE,
        forced: bool = False,
        known: int | None = None,
    ) -> Published:
        """Publish one app, `web`, whose manifest says some text."""
        return publishing.publish(
            self.alone,
            channel=channel,
            hardware=hardware,
            apps={"web": release("web", text)},
            now_ns=self.now_ns,
            commit="0123abc",
            roll_out=roll_out,
            forced=forced,
            known=known,
        )

    def copy(self, to: Path) -> "Publisher":
        """Return the same repository and keys in another folder."""
        shutil.copytree(self.folder, to)
        return Publisher(to, self.now_ns, self.root)

    def named(self, role: str) -> str:
        """Return the file name of what a role says now."""
        version = self.alone.edition().role(role).signed.version
        return "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"


@dataclass
class Mirror:
    """A web server for a folder. `lies` are answers by file name, given instead of the file's content."""

    folder: Path
    address: str = ""
    lies: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def device(self, folder: Path, publisher: Publisher, *, channel: str = "stable", seconds: float = 60) -> "Device":
        """Return a Device that trusts the publisher's first root and asks this server."""
        return Device(folder, publisher, self.address, channel, seconds)


@dataclass
class Device:
    """What a Device has of a repository."""

    folder: Path
    publisher: Publisher
    base: str
    channel: str = "stable"
    seconds: float = 60
    taker: Taker = AMD64

    @property
    def trusted(self) -> TrustedTargets:
        """Its Targets, opened anew as after a restart."""
        return TrustedTargets(
            self.folder,
            root=self.publisher.root,
            base=self.base,
            channel=self.channel,
            deadline_seconds=self.seconds,
        )

    def refresh(self) -> Target | None:
        """Ask the repository, at the publisher's time."""
        return self.trusted.refresh(self.taker, now_ns=self.publisher.now_ns)

    def version(self) -> int | None:
        """The version that it trusts, as it knows it without asking."""
        last = self.trusted.last(self.taker)
        return None if last is None else last.version


@contextmanager
def served(folder: Path) -> Iterator[Mirror]:
    """Serve a folder on a port of this machine."""
    mirror = Mirror(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.asked.append(self.path)
            lie = mirror.lies.get(self.path.rpartition("/")[2])
            if callable(lie):
                lie(self)
                return
            content = PublicFiles(mirror.folder).get(self.path.lstrip("/")) if lie is None else lie
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    mirror.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def changed(content: bytes, changes: Mapping[str, object]) -> bytes:
    """Return metadata with fields of its signed part changed, and the signatures left as they were."""
    whole = json.loads(content)
    whole["signed"].update(changes)
    return json.dumps(whole).encode()
