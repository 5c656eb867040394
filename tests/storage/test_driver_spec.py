"""An engine reads of the driver what makes it give up at once while the driver does not run."""

import json
from pathlib import Path

from mosaic.storage.driver_spec import tell


def test_what_is_written_leads_nowhere_and_has_the_drivers_name(tmp_path: Path) -> None:
    tell(tmp_path, "mosaic-attic")
    written = json.loads((tmp_path / "mosaic-attic.json").read_text())
    assert written["Name"] == "mosaic-attic"
    assert not Path(written["TLSConfig"]["CAFile"]).exists()
    assert [one.name for one in tmp_path.iterdir()] == ["mosaic-attic.json"]


def test_what_is_there_as_it_should_be_is_not_written_again(tmp_path: Path) -> None:
    tell(tmp_path, "mosaic")
    first = (tmp_path / "mosaic.json").stat()
    tell(tmp_path, "mosaic")
    assert (tmp_path / "mosaic.json").stat().st_ino == first.st_ino
    (tmp_path / "mosaic.json").write_text("{}")
    tell(tmp_path, "mosaic")
    assert json.loads((tmp_path / "mosaic.json").read_text())["Name"] == "mosaic"


def test_a_folder_that_cannot_be_written_to_stops_nothing(tmp_path: Path) -> None:
    tell(tmp_path / "missing", "mosaic")
    assert not (tmp_path / "missing").exists()
