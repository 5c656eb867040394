"""A certificate authority that speaks ACME: Pebble, with a name server that leads every name to this machine."""

import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mosaic.crypto import ca
from support.waiting import eventually


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Authority:
    """`directory` is where clients begin, `root` the PEM file by which they trust it (not what it issues)."""

    directory: str
    root: Path
    log: Path
    management: int

    def issued_by(self) -> str:
        """Return the root (PEM) of what it issues."""
        context = ssl.create_default_context(cafile=str(self.root))
        connection = http.client.HTTPSConnection("localhost", self.management, timeout=60, context=context)
        with contextlib.closing(connection) as asked:
            asked.request("GET", "/roots/0")
            return asked.getresponse().read().decode()

    def orders(self) -> int:
        """Return how many certificates it has issued."""
        return self.log.read_text().count("Issued certificate serial")


@contextlib.contextmanager
def acme_authority(folder: Path, *, https_port: int) -> Iterator[Authority]:
    """Run one that looks for names at `https_port` of this machine."""
    now = datetime.now(UTC)
    maker = ca.make_ca("an authority's own", now)
    own = ca.issue(maker, ["localhost", "127.0.0.1"], now)
    for name, text in (("root", maker.certificate_pem), ("own", own.certificate_pem), ("key", own.key_pem)):
        (folder / f"{name}.pem").write_text(text)
    acme, management, dns = free_port(), free_port(), free_port()
    file = folder / "pebble.json"
    file.write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"127.0.0.1:{acme}",
                    "managementListenAddress": f"127.0.0.1:{management}",
                    "certificate": str(folder / "own.pem"),
                    "privateKey": str(folder / "key.pem"),
                    "httpPort": free_port(),
                    "tlsPort": https_port,
                }
            }
        )
    )
    names = ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", f"127.0.0.1:{dns}"]
    names += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}"]
    signs = ["pebble", "-config", str(file), "-dnsserver", f"127.0.0.1:{dns}"]
    made = Authority(f"https://localhost:{acme}/dir", folder / "root.pem", folder / "pebble.log", management)
    with contextlib.ExitStack() as opened:
        for words in (names, signs):
            opened.enter_context(_running(words, made.log))
        eventually(lambda: "Listening on" in made.log.read_text(), seen=made.log.read_text)
        yield made


@contextlib.contextmanager
def _running(words: list[str], log: Path) -> Iterator[None]:
    # It waits a few seconds and refuses some requests on purpose unless it is told not to.
    env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with log.open("ab") as output:
        child = subprocess.Popen(words, stdout=output, stderr=output, env=env)
    try:
        yield
    finally:
        child.kill()
        child.wait(60)
