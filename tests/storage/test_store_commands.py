"""What an owner types about stores: `mosaic storage store …`, `limit` and `share`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.cli.main import run
from mosaic.cli.units import parse_size
from support.storage_daemon import TestDaemon
from support.unshared import free_port

Type = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(here: TestDaemon, capsys: pytest.CaptureFixture[str]) -> Type:
    """Run a command against the daemon, and return its exit code and all that it printed."""

    def run_it(*words: str) -> tuple[int, str]:
        code = run(["storage", *words, "--state", str(here.config.state)])
        out = capsys.readouterr()
        # The daemon's own log lines come from the same process here.
        lines = [line for line in (out.out + out.err).splitlines() if not line.startswith('{"at":')]
        return code, "\n".join(lines)

    return run_it


@pytest.mark.btrfs
def test_a_store_is_added_shown_tried_again_and_removed(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    code, said = typed("store", "add", "nas", f"file://{tmp_path}/nas")
    assert code == 0 and "no replica" in said and "heads stay in the Hive" in said
    code, said = typed("store", "list")
    assert code == 0 and "nas" in said and "this machine" in said
    code, said = typed("store", "list", "--json")
    assert code == 0 and json.loads(said)["stores"][0]["name"] == "nas"
    assert typed("store", "check", "nas")[0] == 0
    assert typed("store", "remove", "nas")[0] == 0
    assert "No store follows" in typed("store", "list")[1]


@pytest.mark.btrfs
@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        ("hive", "file:///tmp", "cannot be a store's name"),
        ("Nas", "file:///tmp", "cannot be a store's name"),
        ("nas", "nfs://nas/x", "not the address of a store"),
        ("nas", "file:///no/such/folder", "there is no folder"),
    ],
)
def test_what_cannot_be_a_store_is_refused_with_a_hint_and_changes_nothing(
    typed: Type, name: str, url: str, told: str
) -> None:
    code, said = typed("store", "add", name, url)
    assert code == 1 and told in said and "hint:" in said
    assert "No store follows" in typed("store", "list")[1]


@pytest.mark.btrfs
def test_a_limit_counts_from_now_on_and_each_way_alone(typed: Type, here: TestDaemon) -> None:
    assert "no limit" in typed("limit")[1]
    assert typed("limit", "--upload", "2MB/s")[0] == 0
    assert typed("limit", "--download", "500kB/s")[0] == 0
    assert (here.client.stores().upload, here.client.stores().download) == (2_000_000, 500_000)
    assert typed("limit", "--upload", "none")[0] == 0
    assert (here.client.stores().upload, here.client.stores().download) == (None, 500_000)
    assert typed("limit", "--upload", "1B/s")[0] == 1
    assert typed("limit", "--upload", "fast")[0] == 2


@pytest.mark.btrfs
def test_a_shared_folder_is_paired_once_and_the_pairing_is_taken_from_a_file(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "others").mkdir()
    port = free_port()
    assert typed("share")[0] == 2
    code, said = typed("share", "--listen", f"127.0.0.1:{port}", "--folder", str(tmp_path / "others"), "--quota", "1GB")
    pairing = said.split()[-1]
    assert code == 0 and pairing.startswith("mosaic-pair-")
    assert pairing not in typed("share")[1]
    (tmp_path / "pairing").write_text(pairing + "\n")
    url = f"mosaic://127.0.0.1:{port}"
    code, said = typed("store", "add", "cellar", url, "--credentials", str(tmp_path / "pairing"))
    assert code == 0 and "cellar follows" in said and pairing not in said
    assert typed("share", "--stop")[0] == 0
    assert typed("share")[0] == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [("2MB", 2_000_000), ("1.5 GB", 1_500_000_000), ("500kb", 500_000), ("7", 7), ("7B", 7), ("2M", None), ("x", None)],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int | None) -> None:
    assert parse_size(text) == size
