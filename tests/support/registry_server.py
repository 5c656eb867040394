"""Debian's `docker-registry` on loopback, with a folder of its own: a real registry for tests."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.s3_servers import listens
from support.unshared import free_port
from support.waiting import eventually

PROGRAM = "docker-registry"
USERNAME, PASSWORD = "somebody", "a-pass:word"
# bcrypt, which the registry wants, of the password above with the least work that it takes.
_HTPASSWD = "somebody:$2b$04$BsX2QCpuZvUqSrlfVVOV6O7/UboeDsjC.wVIQFwdduA3CLZjANmUq\n"


def lacks() -> str | None:
    """Return why no registry can be started here; None when it can."""
    return None if shutil.which(PROGRAM) else f"{PROGRAM} is not installed"


@dataclass(frozen=True)
class RegistryServer:
    """A running registry. `host` is its name, `folder` has its data, `log` what it wrote about each request."""

    host: str
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def blob_file(self, digest: str) -> Path:
        """Return where the registry keeps a blob."""
        hexed = digest.removeprefix("sha256:")
        return self.folder / "docker/registry/v2/blobs/sha256" / hexed[:2] / hexed / "data"


@contextlib.contextmanager
def registry_server(folder: Path, *, login: bool = False) -> Iterator[RegistryServer]:
    """Run a registry; with `login` it serves nobody but the one user above."""
    folder.mkdir(parents=True, exist_ok=True)
    data, config, log = folder / "data", folder / "config.yml", folder / "log"
    port = free_port()
    lines = [
        "version: 0.1",
        "log: {level: info, accesslog: {disabled: false}}",
        f"storage: {{filesystem: {{rootdirectory: '{data}'}}, delete: {{enabled: true}}}}",
        f"http: {{addr: '127.0.0.1:{port}'}}",
    ]
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        lines.append(f"auth: {{htpasswd: {{realm: a-registry, path: '{folder / 'htpasswd'}'}}}}")
    config.write_text("\n".join(lines) + "\n")
    # What the environment says of other registries must not change this one.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with log.open("wb") as written:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(config)], env=environment, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: process.poll() is not None or listens(port), seen=log.read_text)
        assert process.poll() is None, f"{PROGRAM} ended at once: {log.read_text()}"
        yield RegistryServer(f"127.0.0.1:{port}", data, log, process)
    finally:
        process.kill()
        process.wait(60)
