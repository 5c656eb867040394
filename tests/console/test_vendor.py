"""What others wrote is exactly what its README says, and nothing is there that it does not name."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "src/mosaic/hive/console/static/vendor", ROOT / "tests/console/vendor"]


def written(folder: Path) -> dict[str, str]:
    """Return file names and hashes as the README's table has them."""
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.M)
    return dict(rows)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_vendored_file_is_the_recorded_one(folder: Path) -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "README.md"
    }
    assert found == written(folder)
