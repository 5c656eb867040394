"""What the docs say is there is there."""

import re
from pathlib import Path

import pytest

from mosaic.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
LABELS = {"keys.md", "format.md"}
"""Pages whose `mosaic …` are labels of a format, not commands."""

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
    # The picture is made by script/screenshots.
    broken = [link for link in linked if not (page.parent / link).exists() and not link.endswith(".png")]
    assert broken == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in LABELS], ids=lambda page: str(page.relative_to(ROOT))
)
def test_commands_that_pages_name_exist(page: Path) -> None:
    named = re.findall(r"(?:script/|`)mosaic ([a-z][a-z-]+)", page.read_text())
    later = {"app", "target", "link", "gateway", "update", "exec"}
    assert set(named) - set(COMMANDS) - later == set()


def test_every_guarantee_names_tests_that_exist() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text()
    assert all(f"| G{number} " in page for number in range(1, 11))
    for file, name in re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", page):
        assert (ROOT / file).exists(), file
        assert name in (ROOT / file).read_text(), name


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))
