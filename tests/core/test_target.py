"""A Target is written in the seed's own words, and read back as it was; what makes no sense is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.roll_out import RollOut
from mosaic.core.target import Target, TargetUnreadable, TargetUnusable, custom, read_target, require_usable

URI = "hub.example/factory/httpd@sha256:" + "0b" * 32
HTTPD = Target("stable", "raspberrypi3-64", 77, {"httpd": URI}, 1_800_000_000, "0123abc", RollOut(25))

words = st.from_regex(r"\A[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?\Z")
uris = st.from_regex(r"\A[a-z0-9]{1,9}(:[0-9]{1,4})?/[a-z0-9/]{1,9}@sha256:[0-9a-f]{64}\Z")
roll_outs = st.builds(RollOut, st.integers(0, 100), st.frozensets(words, max_size=3), st.booleans())
targets = st.builds(
    Target,
    channel=words,
    hardware=words,
    version=st.integers(1, 10**9),
    apps=st.dictionaries(words, uris, max_size=3),
    created_at=st.integers(0, 2**33),
    commit=st.none() | words,
    roll_out=roll_outs,
)


@given(targets)
def test_a_target_is_read_back_as_it_was_written(target: Target) -> None:
    require_usable(target)
    assert read_target(target.path, custom(target)) == target


def test_the_custom_map_has_the_fields_of_the_seed() -> None:
    assert custom(HTTPD) == {
        "name": "raspberrypi3-64-stable",
        "version": "77",
        "hardwareIds": ["raspberrypi3-64"],
        "tags": ["stable"],
        "targetFormat": "MOSAIC",
        "docker_compose_apps": {"httpd": {"uri": URI}},
        "createdAt": "2027-01-15T08:00:00Z",
        "commit": "0123abc",
        "rollOut": {"percentage": 25, "groups": [], "paused": False},
    }


def test_a_target_and_its_apps_manifests_are_named_by_channel() -> None:
    assert HTTPD.path == "stable/raspberrypi3-64-77"
    assert HTTPD.manifest_path("httpd") == "stable/apps/httpd/" + "0b" * 32


@pytest.mark.parametrize("found", [None, "text", {}, {"targetFormat": "OSTREE", "version": "77"}])
def test_what_is_no_target_of_ours_is_passed_over(found: object) -> None:
    assert read_target(HTTPD.path, found) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "78"),
        ("version", 77),
        ("hardwareIds", ["generic-amd64"]),
        ("tags", ["beta"]),
        ("docker_compose_apps", []),
        ("docker_compose_apps", {"httpd": URI}),
        ("docker_compose_apps", {"httpd": {"uri": "hub.example/httpd:latest"}}),
        ("docker_compose_apps", {"../httpd": {"uri": URI}}),
        ("createdAt", "yesterday"),
        ("commit", 7),
        ("rollOut", {"percentage": 101}),
        ("rollOut", {"percentage": True}),
        ("rollOut", "all"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    with pytest.raises(TargetUnreadable):
        read_target(HTTPD.path, {**custom(HTTPD), field: value})


@pytest.mark.parametrize("path", ["stable/raspberrypi3-64-077", "stable/77", "raspberrypi3-64-77", "s*/generic-77"])
def test_a_target_under_a_strange_name_is_refused(path: str) -> None:
    with pytest.raises(TargetUnreadable):
        read_target(path, custom(HTTPD))


@pytest.mark.parametrize(
    "wrong",
    [
        Target("sta*ble", "generic", 1, {}, 0),
        Target("stable", "generic/64", 1, {}, 0),
        Target("stable", "generic", 1, {"..": URI}, 0),
        Target("stable", "generic", 1, {"httpd": "hub.example/httpd:latest"}, 0),
        Target("stable", "generic", 1, {}, 0, roll_out=RollOut(groups=frozenset({"a b"}))),
    ],
)
def test_what_could_not_be_read_again_is_not_published(wrong: Target) -> None:
    with pytest.raises(TargetUnusable):
        require_usable(wrong)
