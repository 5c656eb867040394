"""The catalog: apps from folders, with their problems."""

import os
from pathlib import Path

import msgspec
import pytest

from mosaic.core.compose_document import ComposeInvalid
from mosaic.core.compose_variables import interpolate
from mosaic.hive.catalog import AppUnknown, AppUnusable, Catalog
from support.running_hive import write_app


def problem(catalog: Catalog, app: str) -> str:
    return next(each.problem or "" for each in catalog.apps() if each.app == app)


def test_an_app_is_a_folder_with_a_compose_file(tmp_path: Path) -> None:
    write_app(tmp_path, "notes")
    (tmp_path / "not-an-app").mkdir()
    disabled = write_app(tmp_path, "disabled")
    (disabled / ".disabled").touch()
    for passed_over in ("old.disabled", ".devcontainer"):
        write_app(tmp_path, passed_over)
    [found] = Catalog([tmp_path, tmp_path / "absent"]).apps()
    assert (found.app, found.title, found.summary, found.services) == ("notes", "Notes", "A small app.", ["web"])
    assert found.problem is None


def test_the_readme_names_what_the_compose_file_does_not(tmp_path: Path) -> None:
    folder = write_app(tmp_path, "wiki", "services: {web: {image: wiki:1}}\n")
    (folder / "README.md").write_text("# The Wiki\n\nPages that anybody mends.\n")
    [found] = Catalog([tmp_path]).apps()
    assert (found.title, found.summary) == ("The Wiki", "Pages that anybody mends.")


@pytest.mark.parametrize(
    ("compose", "said"),
    [
        ("services: [", "not YAML"),
        ("services: " + "[" * 40_000, "too large"),
        ("services: {}\n", "service"),
        ("just text", ""),
        ("services: {web: {}}\n", "image"),
        ("a: &a [*a]\nservices: {web: {image: x}}\n", "alias *a"),
    ],
)
def test_an_app_that_cannot_be_installed_is_listed_with_the_reason(tmp_path: Path, compose: str, said: str) -> None:
    write_app(tmp_path, "broken", compose)
    catalog = Catalog([tmp_path])
    assert said in problem(catalog, "broken")
    assert problem(catalog, "broken")
    with pytest.raises(AppUnusable):
        catalog.take("broken")


def test_a_link_out_of_the_folder_and_a_name_that_cannot_be_one_are_problems(tmp_path: Path) -> None:
    (write_app(tmp_path, "leaky") / "secrets").symlink_to("/etc/passwd")
    write_app(tmp_path, "Bad Name")
    catalog = Catalog([tmp_path])
    assert "leads out" in problem(catalog, "leaky")
    assert "cannot be a name" in problem(catalog, "Bad Name")


def test_one_folder_that_nobody_can_read_is_a_problem_of_its_own(tmp_path: Path) -> None:
    write_app(tmp_path)
    write_app(tmp_path, "odd", "services: {web: {image: 'a:1', ports: [!!int eighty]}}\n")
    catalog = Catalog([tmp_path])
    assert problem(catalog, "odd")
    assert catalog.take("notes").app.problem is None


def test_defaults_in_defaults_without_end_are_refused_and_not_followed(tmp_path: Path) -> None:
    deep = "${a:-" * 3000 + "}" * 3000
    with pytest.raises(ComposeInvalid, match="more than 16 deep"):
        interpolate({"command": deep}, {})
    write_app(tmp_path, "odd", f"services: {{web: {{image: 'a:1', command: '{deep}'}}}}\n")
    assert [each.app for each in Catalog([tmp_path]).apps()] == ["odd"]


def test_a_name_that_is_no_text_is_shown_as_well_as_it_can_be(tmp_path: Path) -> None:
    folder = write_app(tmp_path, "odd")
    os.mkfifo(os.fsencode(folder) + b"/n\xff")
    listed = Catalog([tmp_path]).apps()
    assert b"odd" in msgspec.json.encode(listed)
    assert listed[0].problem


def test_a_changed_folder_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    folder = write_app(tmp_path)
    catalog = Catalog([tmp_path])
    first = catalog.take("notes")
    assert catalog.take("notes") is first
    (folder / "more.txt").write_text("more")
    assert catalog.take("notes").app.digest != first.app.digest


def test_of_two_apps_of_one_name_the_first_catalog_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    write_app(first)
    write_app(second, "notes", "services: {web: {image: other:1}}\n")
    assert Catalog([second, first]).apps()[0].title == "notes"


def test_an_unknown_app_is_refused_with_those_there_are(tmp_path: Path) -> None:
    write_app(tmp_path)
    with pytest.raises(AppUnknown) as unknown:
        Catalog([tmp_path]).take("note")
    assert "it has notes" in unknown.value.hint
