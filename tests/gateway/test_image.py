"""The image of a gateway, as `script/images` built it: its programs, and a state that outlives its container."""

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from support.waiting import eventually

IMAGE = "mosaic/gateway:latest"
HIVE = "a1" * 32

pytestmark = pytest.mark.engine


def docker(*words: str) -> str:
    """Run one command of the engine, and return all that it printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


@pytest.fixture
def volume() -> Iterator[str]:
    made = f"gateway-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", made)
    yield made
    docker("volume", "rm", "--force", made)


def test_it_has_the_programs_that_routes_and_tunnels_need() -> None:
    said = docker(
        "run", "--rm", "--network", "none", "--entrypoint", "sh", IMAGE, "-c",
        "haproxy -v && caddy version && wireguard-go --version && wg --version && nft --version && ip -V && ss -V",
    )  # fmt: skip
    assert "HAProxy version 2." in said or "HAProxy version 3." in said
    # Debian 12's own is of 2022, and carries a fifth of what a later one does.
    assert "wireguard-go v0.0.2022" not in said and "wireguard-go v0.0.20" in said


@pytest.mark.parametrize("words", [("--router", "haproxy"), ("--wireguard-port", "0")])
def test_it_serves_with_the_privilege_that_it_was_given(words: tuple[str, ...], volume: str) -> None:
    may = ("--cap-add", "NET_ADMIN", "--device", "/dev/net/tun") if "haproxy" in words else ("--cap-drop", "NET_ADMIN")
    kept = ("--volume", f"{volume}:/var/lib/mosaic-gateway")
    serve = ("serve", "--name", "one", "--public-host", "gw.example.net", *words)
    made = docker("run", "--detach", *may, *kept, IMAGE, *serve)
    try:
        eventually(lambda: "gateway_started" in docker("logs", made), seen=lambda: docker("logs", made))
        # It has nobody's key, so whoever asks is refused, by the API and not by a closed port.
        asked = "exec 3<>/dev/tcp/127.0.0.1/8940; printf 'GET /v1/gateway HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
        assert " 401 " in docker("exec", made, "bash", "-c", asked)
        docker("stop", "--time", "30", made)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", made) == "0"
    finally:
        docker("rm", "--force", made)


def test_what_its_operator_says_is_kept_when_the_container_is_made_anew(volume: str) -> None:
    def gateway(*words: str) -> str:
        return docker(
            "run", "--rm", "--network", "none", "--volume", f"{volume}:/var/lib/mosaic-gateway", IMAGE, *words
        )

    gateway("allow", HIVE, "--domain", "apps.example.net")
    assert HIVE in gateway("hives", "--json") and "apps.example.net" in gateway("hives", "--json")
