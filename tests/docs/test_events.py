"""The list of events names every kind that the Hive makes."""

import ast
import re

from docs.error_table import SOURCE
from mosaic.hive import stories


def test_every_kind_of_event_that_the_hive_writes_is_listed() -> None:
    written = {kind for file in (SOURCE / "hive").rglob("*.py") for kind in _kinds_in(file.read_text())}
    assert {"installed", "catalog-refused", "drill", "hive-recovered"} <= written
    assert written <= stories.KINDS


def test_the_table_of_events_tells_when_each_kind_is_made() -> None:
    rows = re.findall(r"^\| (.+?) \|", stories.__doc__ or "", re.MULTILINE)
    assert {kind for row in rows for kind in row.split(", ")} - {"kind", "---"} == stories.KINDS


def _kinds_in(source: str) -> set[str]:
    """Return the kinds that are written out where an event is made; a few are chosen elsewhere."""
    calls = [each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Call) and len(each.args) > 1]
    kinds = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Happened"]
    return {kind.value for kind in kinds if isinstance(kind, ast.Constant) and isinstance(kind.value, str)}
