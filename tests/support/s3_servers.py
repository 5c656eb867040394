"""Real S3 servers for tests: moto's, which holds to conditional writes, and rclone's, which ignores them."""

import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.request import Request, urlopen

from mosaic.adapters.s3.bucket import S3Bucket
from mosaic.adapters.s3.location import S3Credentials, S3Location
from support.unshared import free_port
from support.waiting import eventually

CREDENTIALS = S3Credentials("a-key-id", "the-secret-of-the-key")
PAGE = 40
_NUMBERS = itertools.count(1)


class Place(TypedDict, total=False):
    """What of a location is another one than the server's."""

    bucket: str
    prefix: str
    endpoint: str


@dataclass(frozen=True)
class Server:
    """A running server, and its bucket."""

    location: S3Location
    process: subprocess.Popen[bytes]

    def bucket(self, *, credentials: S3Credentials = CREDENTIALS, **other: Unpack[Place]) -> S3Bucket:
        """Open a folder of the bucket that nobody used before. Nothing is tried twice."""
        location = replace(replace(self.location, prefix=f"test-{next(_NUMBERS)}"), **other)
        return S3Bucket(location, credentials, deadline_seconds=0)


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    """Start moto's server with the buckets `mosaic` and `no-conditions`; it lists 40 objects at a time."""
    port = free_port()
    argv = [sys.executable, str(Path(__file__).with_name("moto_server.py")), str(port)]
    with _running(argv, port, {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)}) as server:
        for bucket in ("mosaic", "no-conditions"):
            urlopen(Request(f"{server.location.endpoint}/{bucket}", method="PUT"), timeout=60).close()
        yield server


@contextlib.contextmanager
def rclone(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """Serve the bucket `mosaic`, which is a folder in `folder`, to the one key of `CREDENTIALS`."""
    (folder / "mosaic").mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    program = Path(sys.executable).with_name("rclone")
    # The key stands in the environment: everybody on the machine may read the words of a process.
    key = f'"{CREDENTIALS.access_key_id},{CREDENTIALS.secret_access_key}"'
    settings = {"RCLONE_CONFIG": "", "RCLONE_AUTH_KEY": key, "PATH": os.environ["PATH"], "HOME": str(folder)}
    with _running([str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}", str(folder)], port, settings) as server:
        yield server


@contextlib.contextmanager
def _running(argv: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, f"{argv[0]} ended at once"
        yield Server(S3Location(f"http://127.0.0.1:{port}", "mosaic"), process)
    finally:
        process.kill()
        process.wait(60)


def listens(port: int) -> bool:
    """Whether a server has begun to listen at a port of this machine."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
