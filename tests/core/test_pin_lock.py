"""A lock file gives back what the registries said, and nothing that they did not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.compose_document import Json
from mosaic.core.image_platforms import Answer, NoAnswer, NoSuchImage, PlatformImage, Resolved
from mosaic.core.image_ref import ImageRef, parse
from mosaic.core.pin_lock import LockUnusable, from_lock, to_lock

SHA = "sha256:" + "0a" * 32
PLATFORMS = st.builds(
    PlatformImage,
    st.sampled_from(["linux", "unknown"]),
    st.sampled_from(["amd64", "arm64"]),
    st.sampled_from(["", "v8"]),
    st.just(SHA),
    st.lists(st.integers(0, 2**40), max_size=3).map(tuple),
)
RESOLVED = st.builds(Resolved, st.just(SHA), st.text(max_size=9), st.lists(PLATFORMS, max_size=3).map(tuple))
NAMES = st.sampled_from(["nginx", "nginx:1", f"nginx@{SHA}", "a.example:5000/x"]).map(parse)
ANSWERS = RESOLVED | st.just(NoAnswer("timed out")) | st.just(NoSuchImage("unknown"))


@given(st.dictionaries(NAMES, ANSWERS))
def test_a_lock_gives_back_what_was_resolved_through_json(answers: dict[ImageRef, Answer]) -> None:
    written = json.dumps(to_lock(answers))
    assert from_lock(json.loads(written)) == {
        name: answer for name, answer in answers.items() if isinstance(answer, Resolved)
    }
    assert json.dumps(to_lock(dict(reversed(answers.items())))) == written


PLATFORM: dict[str, Json] = {"os": "linux", "architecture": "amd64", "variant": "", "digest": SHA, "layer_sizes": [1]}


def lock(image: Json) -> Json:
    return {"version": 1, "images": {"nginx": image}}


def with_sizes(sizes: Json) -> Json:
    return lock({"platforms": [{**PLATFORM, "layer_sizes": sizes}], "digest": SHA, "media_type": ""})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "no mapping"),
        ({}, "version is None"),
        ({"version": 2, "images": {}}, "version is 2, and 1 is known"),
        ({"version": 1}, "images is no mapping"),
        ({"version": 1, "images": {"Bad": {}}}, "'Bad' is no name of an image"),
        (lock(None), "nginx is no mapping"),
        (lock({}), "platforms of nginx is no list"),
        (lock({"platforms": []}), "digest of nginx is no text"),
        (lock({"platforms": [], "digest": "sha256:no"}), "digest of nginx is 'sha256:no'"),
        (lock({"platforms": [], "digest": SHA}), "media_type of nginx is no text"),
        (lock({"platforms": [3], "digest": SHA, "media_type": ""}), "a platform of nginx is no mapping"),
        (with_sizes(None), "layer_sizes of a platform of nginx is no list"),
        (with_sizes([-1]), "'-1', which is no size"),
        (with_sizes([True]), "'True', which is no size"),
        (with_sizes(["1"]), "'1', which is no size"),
        (lock({"platforms": [{**PLATFORM, "os": 1}], "digest": SHA, "media_type": ""}), "os of a platform"),
    ],
)
def test_what_is_no_lock_is_refused_with_the_way_out(wrong: Json, words: str) -> None:
    with pytest.raises(LockUnusable, match=words) as refused:
        from_lock(wrong)
    assert "delete it" in refused.value.hint
