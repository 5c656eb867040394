"""A client of the command-line protocol of the TUF project's conformance suite, made of what a Device uses.

    tuf_client.py --metadata-dir DIR init ROOT
    tuf_client.py --metadata-dir DIR --metadata-url URL refresh
    tuf_client.py --metadata-dir DIR --metadata-url URL
                  --target-name NAME --target-base-url URL --target-dir DIR download

It exits with 0 when all of it was done, and with 1 otherwise. How the suite is
run with it is in docs/decisions/0038-targets.md.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError

from mosaic.adapters.trust.fetcher import BoundedFetcher
from mosaic.adapters.trust.updater import ClockedUpdater


def main(arguments: Sequence[str]) -> int:
    """Do what one command line says and return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--metadata-dir", type=Path, required=True)
    for name in ("--metadata-url", "--target-name", "--target-base-url"):
        parser.add_argument(name)
    parser.add_argument("--target-dir", type=Path)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    given = parser.parse_args(arguments)
    if given.command == "init":
        (given.metadata_dir / "root.json").write_bytes(given.trusted_root.read_bytes())
        return 0
    try:
        updater = ClockedUpdater(
            given.metadata_dir,
            given.metadata_url,
            fetcher=BoundedFetcher(deadline_seconds=60),
            root=(given.metadata_dir / "root.json").read_bytes(),
            now_ns=time.time_ns(),
            target_folder=given.target_dir,
            target_base=given.target_base_url,
        )
        updater.refresh()
        return 0 if given.command == "refresh" else _download(updater, given.target_name)
    except (RepositoryError, DownloadError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _download(updater: ClockedUpdater, name: str) -> int:
    target = updater.get_targetinfo(name)
    if target is None:
        return 1
    if updater.find_cached_target(target) is None:
        updater.download_target(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
