"""Every top folder of an app repository is told from the others by the files in it, or refused with what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.app_name import is_app_name
from mosaic.core.app_repository import AppRepositoryRefused, Kind, sort_out
from mosaic.core.image_ref import parse

COMPOSE, DOCKERFILE = "docker-compose.yml", "Dockerfile"


def test_a_folder_is_an_app_an_image_both_or_neither() -> None:
    assert sort_out(
        {
            "httpd": {COMPOSE, "nginx.conf"},
            "hello-world": {DOCKERFILE, "app.py"},
            "hello-world-app": {COMPOSE, "nginx.conf"},
            "simple-app": {COMPOSE, DOCKERFILE, "app.py", ".composeappignores"},
            "docs": {"README.md"},
            "empty": set(),
        }
    ) == {
        "docs": Kind.NEITHER,
        "empty": Kind.NEITHER,
        "hello-world": Kind.IMAGE,
        "hello-world-app": Kind.APP,
        "httpd": Kind.APP,
        "simple-app": Kind.BOTH,
    }
    assert (Kind.BOTH.is_app, Kind.BOTH.is_image, Kind.APP.is_image, Kind.IMAGE.is_app) == (True, True, False, False)


def test_a_folder_is_disabled_by_its_name_or_by_a_file_in_it() -> None:
    folders = {"old.disabled": {COMPOSE}, "Base.disabled": {DOCKERFILE}, "off": {COMPOSE, DOCKERFILE, ".disabled"}}
    assert set(sort_out(folders).values()) == {Kind.DISABLED}
    assert sort_out({"disabled": {COMPOSE}}) == {"disabled": Kind.APP}


def test_folders_of_tools_are_passed_over() -> None:
    folders = {".git": {"HEAD"}, ".devcontainer": {COMPOSE, DOCKERFILE}, ".github": {"docker-compose.yaml"}}
    assert set(sort_out(folders).values()) == {Kind.NEITHER}


@pytest.mark.parametrize("other", ["docker-compose.yaml", "compose.yaml", "compose.yml"])
@pytest.mark.parametrize("beside", [set(), {DOCKERFILE}])
def test_a_compose_file_of_another_name_is_told_how_to_be_renamed(other: str, beside: set[str]) -> None:
    with pytest.raises(AppRepositoryRefused, match=f"blog: its compose file is called {other}") as refused:
        sort_out({"blog": {other, *beside}})
    assert f"git mv blog/{other} blog/docker-compose.yml" in refused.value.hint
    assert sort_out({"blog": {other, COMPOSE}, "off.disabled": {other}}) == {
        "blog": Kind.APP,
        "off.disabled": Kind.DISABLED,
    }


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("My App", "my-app"),
        ("Blog", "blog"),
        ("my_app", "my-app"),
        ("my.app", "my-app"),
        ("-x", "x"),
        ("bücher", "b-cher"),
        ("x.", "x"),
        ("a" * 41, "a" * 40),
    ],
)
def test_a_name_that_no_hive_takes_is_told_one_that_it_does(name: str, instead: str) -> None:
    with pytest.raises(AppRepositoryRefused, match="cannot be an app's") as refused:
        sort_out({name: {COMPOSE, DOCKERFILE}})
    assert refused.value.hint.endswith(": " + instead)
    assert is_app_name(instead)
    assert sort_out({name: {"README.md"}}) == {name: Kind.NEITHER}


def test_an_image_of_no_app_may_be_called_as_registries_have_it() -> None:
    assert sort_out({"my_base.image": {DOCKERFILE}}) == {"my_base.image": Kind.IMAGE}
    with pytest.raises(AppRepositoryRefused, match="cannot be part of the name") as refused:
        sort_out({"My__Base_": {DOCKERFILE}})
    assert refused.value.hint.endswith(": my-base")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(AppRepositoryRefused) as refused:
        sort_out({"One": {COMPOSE}, "two": {"docker-compose.yaml"}, "three": {COMPOSE}, "Four\udcff": {DOCKERFILE}})
    assert [problem.folder for problem in refused.value.problems] == ["Four\\udcff", "One", "two"]
    assert all(str(problem) in refused.value.message for problem in refused.value.problems)


FILES = st.sets(st.sampled_from([COMPOSE, DOCKERFILE, ".disabled", "compose.yaml", "README.md"]))


@given(st.dictionaries(st.text("aB-._", min_size=1, max_size=5) | st.text(min_size=1, max_size=3), FILES, max_size=4))
def test_what_is_published_has_a_name_that_registry_hive_and_device_take(folders: dict[str, set[str]]) -> None:
    try:
        kinds = sort_out(folders)
    except AppRepositoryRefused as refused:
        assert refused.problems and refused.hint
    else:
        assert list(kinds) == sorted(folders)
        for name, kind in kinds.items():
            assert kind.is_app == (COMPOSE in folders[name] and kind not in (Kind.DISABLED, Kind.NEITHER))
            if kind.is_app or kind.is_image:
                assert is_app_name(name) or not kind.is_app
                assert parse(f"registry.example.org/team/{name}").repository == f"team/{name}"
