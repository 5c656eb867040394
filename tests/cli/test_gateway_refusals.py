"""What `mosaic gateway serve` refuses before it begins, and what it says to do."""

from pathlib import Path

import pytest

from mosaic.adapters.wireguard import surroundings
from mosaic.cli.main import run
from mosaic.core.link_mode import Surroundings
from mosaic.gateway.carrying import wireguard
from mosaic.gateway.carrying.wireguard import WireguardKeyDamaged, kept_key

ANYWHERE = [
    *("gateway", "serve", "--name", "one", "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"),
    *("--listen-plain", "127.0.0.1:0", "--listen-tunnel", "127.0.0.1:0", "--wireguard-port", "0"),
]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--public-host", "192.0.2.1", "--acme", "ada@example.org"], "no name that HTTPS could be served for"),
        (["--public-host", "gw.example.net", "--tcp-network", "10.0.0.0/16"], "network of TCP mode"),
        (["--public-host", "gw.example.net", "--interface", "eth0"], "is not `mosaic` with"),
        (["--public-host", "gw.example.net", "--listen-tunnel", "192.0.2.1:1"], "192.0.2.1:1 cannot be listened on"),
        (["--public-host", "gw.example.net", "--acme", "ada@example.org", "--listen", "[::1]:0"], "IPv4 address only"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run([*ANYWHERE, "--state", str(tmp_path / "one"), *words]) != 0
    assert said in capsys.readouterr().err


def test_a_machine_without_wireguard_is_told_of_tcp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = Surroundings(
        may_administer=False, has_tun=False, kernel_has_wireguard=False, has_wg=False, wireguard_go=None
    )
    monkeypatch.setattr(surroundings, "look", lambda: bare)
    with pytest.raises(wireguard.WireguardImpossible, match="NET_ADMIN") as refused:
        wireguard.maker_here("mosaic0", tmp_path / "log")
    assert "--wireguard-port 0" in refused.value.hint


def test_a_gateway_keeps_its_key_and_shows_no_damaged_one(tmp_path: Path) -> None:
    first = kept_key(tmp_path)
    assert kept_key(tmp_path).public == first.public
    file = tmp_path / wireguard.KEY_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("not-a-key-but-a-secret")
    with pytest.raises(WireguardKeyDamaged) as refused:
        kept_key(tmp_path)
    assert "not-a-key" not in refused.value.with_hint
