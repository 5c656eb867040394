"""A certificate authority that speaks ACME: Pebble, with a name server that leads every name to this machine."""

import contextlib
import http.client
import json
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mosaic.adapters import process
from mosaic.crypto import ca
from support.unshared import free_port
from support.waiting import eventually


@dataclass
class Authority:
    """`directory` is where clients begin, `root` the PEM file by which they trust it (not what it issues)."""

    directory: str
    root: Path
    log: Path
    management: int
    host: str = "localhost"

    def issued_by(self) -> str:
        """Return the root (PEM) of what it issues."""
        context = ssl.create_default_context(cafile=str(self.root))
        connection = http.client.HTTPSConnection(self.host, self.management, timeout=60, context=context)
        with contextlib.closing(connection) as asked:
            asked.request("GET", "/roots/0")
            return asked.getresponse().read().decode()

    def orders(self) -> int:
        """Return how many certificates it has issued."""
        return self.log.read_text().count("Issued certificate serial")


def _spawn(words: list[str], *, log: Path, env: dict[str, str]) -> process.Child:
    return process.spawn(words, log=log, env=env)


@contextlib.contextmanager
def acme_authority(
    folder: Path,
    *,
    https_port: int,
    http_port: int | None = None,
    host: str = "localhost",
    address: str = "127.0.0.1",
    leads_to: str = "127.0.0.1",
    valid_seconds: int | None = None,
    start: Callable[..., process.Child] = _spawn,
) -> Iterator[Authority]:
    """Run one that looks for names at `https_port` of `leads_to`, and for HTTP-01 at `http_port`.

    It is found as `host` at `address`. `start` starts words with a log (`log=`) and an environment
    (`env=`). What it issues is good for `valid_seconds`; None is Pebble's own five years.
    """
    now = datetime.now(UTC)
    maker = ca.make_ca("an authority's own", now)
    own = ca.issue(maker, sorted({"localhost", "127.0.0.1", host, address}), now)
    for name, text in (("root", maker.certificate_pem), ("own", own.certificate_pem), ("key", own.key_pem)):
        (folder / f"{name}.pem").write_text(text)
    acme, management, dns = free_port(), free_port(), free_port()
    file = folder / "pebble.json"
    pebble: dict[str, object] = {
        "listenAddress": f"{address}:{acme}",
        "managementListenAddress": f"{address}:{management}",
        "certificate": str(folder / "own.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": http_port or free_port(),
        "tlsPort": https_port,
    }
    if valid_seconds is not None:
        pebble["certificateValidityPeriod"] = valid_seconds
    file.write_text(json.dumps({"pebble": pebble}))
    names = ["pebble-challtestsrv", "-defaultIPv4", leads_to, "-defaultIPv6", "", "-dns01", f"127.0.0.1:{dns}"]
    names += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{free_port()}"]
    signs = ["pebble", "-config", str(file), "-dnsserver", f"127.0.0.1:{dns}"]
    made = Authority(f"https://{host}:{acme}/dir", folder / "root.pem", folder / "pebble.log", management, host)
    # It waits a few seconds and refuses some requests on purpose unless it is told not to.
    env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with contextlib.ExitStack() as opened:
        for words, log in ((names, folder / "names.log"), (signs, made.log)):
            opened.callback(start(words, log=log, env=env).stop, 0)
        eventually(lambda: made.log.exists() and "Listening on" in made.log.read_text(), seen=made.log.read_text)
        yield made
