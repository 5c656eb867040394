"""A Hive that other machines reach: HTTPS by its own authority, set up by hand and not by `--demo`."""

import shutil
from collections.abc import Iterator

import pytest

from e2e.world import World, eventually
from mosaic.adapters import api_client
from mosaic.adapters.api_client import HiveClient, HiveSilent
from mosaic.wire.api import LoggedIn, Setup
from support.unshared import free_port

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PASSWORD = "a password of my own"


@pytest.fixture
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """`mosaic up --listen --url`, with nobody set up yet."""
    folder = tmp_path_factory.mktemp("s")
    made = World(folder, driver="mosaic-tls")
    port = str(free_port())
    try:
        made.start("--listen", "0.0.0.0", "--url", f"https://localhost:{port}", "--port", port)
        (folder / "password").write_text(PASSWORD)
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_machine_is_set_up_over_https_by_hand(beyond: World) -> None:
    url, code = beyond.welcome["console"], beyond.welcome["setup_code"]
    assert url.startswith("https://")
    identity = api_client.read_untrusted_identity(url)
    with HiveClient(url, ca_pem=identity.ca_pem) as hive:
        hive.send("POST", "/api/setup", Setup(code, "ada", PASSWORD), LoggedIn)
    with HiveClient(url) as trusting_public_authorities_only, pytest.raises(HiveSilent):
        trusting_public_authorities_only.identity()

    password = ["--password-file", str(beyond.folder / "password")]
    unconfirmed = beyond.mosaic("login", url, "--name", "ada", *password)
    assert unconfirmed.code == 1
    beyond.ok("login", url, "--name", "ada", *password, "--fingerprint", api_client.fingerprint(identity.key))
    (beyond.folder / "passphrase").write_text(beyond.ok("passphrase", "set")["passphrase"])
    beyond.ok("device", "add", "--here", "--passphrase-file", str(beyond.folder / "passphrase"))
    eventually(
        lambda: [one for one in beyond.ok("device", "list") if one["connected"] and one["admitted"]],
        "this machine's Device is connected",
        seconds=60,
    )
    assert beyond.ok("whoami")["has_passphrase"] is True
