"""The entry point for the TUF project's conformance suite speaks its protocol. The suite itself is no package."""

import subprocess
import sys
import time
from pathlib import Path

from conformance import tuf_client
from support.target_world import Publisher, release, served


def test_the_conformance_client_initialises_refreshes_downloads_and_refuses(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "publisher", now_ns=time.time_ns()).create("stable")
    (target,) = publisher.publish("one").targets
    (tmp_path / "1.root.json").write_bytes(publisher.root)
    metadata, targets = tmp_path / "metadata", tmp_path / "targets"
    metadata.mkdir()
    with served(publisher.public) as mirror:
        where = ["--metadata-dir", str(metadata), "--metadata-url", f"{mirror.address}/metadata"]
        assert tuf_client.main(["--metadata-dir", str(metadata), "init", str(tmp_path / "1.root.json")]) == 0
        assert mirror.asked == []
        assert tuf_client.main([*where, "refresh"]) == 0
        assert {path.name for path in metadata.iterdir()} >= {
            "root.json",
            "timestamp.json",
            "snapshot.json",
            "targets.json",
        }
        download = ["--target-base-url", f"{mirror.address}/targets", "--target-dir", str(targets), "download"]
        manifest = ["--target-name", target.manifest_path("web"), *download]
        assert tuf_client.main([*where, *manifest]) == 0
        assert [path.read_bytes() for path in targets.iterdir()] == [release("web", "one").manifest]
        mirror.asked.clear()
        assert tuf_client.main([*where, *manifest]) == 0
        assert not [path for path in mirror.asked if path.startswith("/targets")]
        assert tuf_client.main([*where, "--target-name", "stable/nothing", *download]) == 1
        mirror.lies["timestamp.json"] = b"{}"
        assert tuf_client.main([*where, "refresh"]) == 1


def test_the_conformance_client_is_a_program(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"{}")
    command = [sys.executable, str(Path(tuf_client.__file__)), "--metadata-dir", str(tmp_path), "init"]
    ran = subprocess.run([*command, str(tmp_path / "root")], timeout=60, check=False)
    assert ran.returncode == 0
    assert (tmp_path / "root.json").read_bytes() == b"{}"
