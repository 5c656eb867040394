"""An image's name is read as the docker command reads it, or refused with what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.image_ref import ImageRef, ImageRefUnreadable, is_component, parse
from mosaic.core.oci_types import is_digest

SHA = "sha256:" + "0123456789abcdef" * 4
LOWER = st.text("abz09", min_size=1, max_size=6)
COMPONENTS = st.builds("".join, st.tuples(LOWER, st.sampled_from([".", "_", "__", "-", "---"]), LOWER)) | LOWER
REGISTRIES = st.sampled_from(["docker.io", "localhost", "localhost:5000", "a.example", "UP", "[::1]:5000", "1.2.3.4"])
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,10}", fullmatch=True)
DIGESTS = st.just(SHA)
NAMES = st.builds(
    lambda parts, official: "/".join(parts) if len(parts) > 1 or not official else "library/" + parts[0],
    st.lists(COMPONENTS, min_size=1, max_size=4),
    st.booleans(),
)


def is_full(ref: ImageRef) -> bool:
    return ref.registry != "docker.io" or "/" in ref.repository


REFS = st.builds(ImageRef, REGISTRIES, NAMES, TAGS, st.none() | DIGESTS).filter(is_full) | st.builds(
    ImageRef, REGISTRIES, NAMES, st.none(), DIGESTS
).filter(is_full)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.29-alpine", "docker.io/library/nginx:1.29-alpine"),
        ("team/web", "docker.io/team/web:latest"),
        ("team/deep/web:2", "docker.io/team/deep/web:2"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/team/web:1", "docker.io/team/web:1"),
        ("localhost/web", "localhost/web:latest"),
        ("localhost:5000/web:2", "localhost:5000/web:2"),
        ("web:5000/app", "web:5000/app:latest"),
        ("UPPER/app", "UPPER/app:latest"),
        ("registry.example.org/a/b_c/d__e/f---g.h:T_1.x", "registry.example.org/a/b_c/d__e/f---g.h:T_1.x"),
        ("[2001:db8::1]:5000/web", "[2001:db8::1]:5000/web:latest"),
        (f"nginx@{SHA}", f"docker.io/library/nginx@{SHA}"),
        (f"nginx:1.29@{SHA}", f"docker.io/library/nginx:1.29@{SHA}"),
        ("localhost", "docker.io/library/localhost:latest"),
        ("nginx:" + "t" * 128, "docker.io/library/nginx:" + "t" * 128),
    ],
)
def test_what_is_left_out_is_filled_in(text: str, full: str) -> None:
    assert str(parse(text)) == full


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("", "empty", "nginx"),
        ("nginx@sha512:" + "ab" * 64, "is no digest", "sha256:"),
        ("  ", "empty", "nginx"),
        ("nginx \n", "blanks", "out"),
        ("Nginx", "upper-case", "nginx"),
        ("team/Web:1", "upper-case", "team/web"),
        ("docker.io/Nginx:1", "upper-case", "lower case: nginx"),
        ("nginx:", "no tag", "128"),
        ("nginx:-x", "no tag", "128"),
        ("nginx:a b", "blanks", "out"),
        ("nginx:" + "t" * 129, "no tag", "128"),
        ("nginx:ä", "no tag", "128"),
        ("nginx:1:2", "no registry|no repository", "."),
        ("nginx@", "no digest", "sha256:"),
        ("nginx@sha256:abc", "no digest", "sha256:"),
        ("nginx@" + SHA.upper(), "no digest", "sha256:"),
        (f"nginx@{SHA}@{SHA}", "no digest", "sha256:"),
        ("nginx@md5:" + "a" * 32, "no digest", "sha256:"),
        (f"nginx@{SHA}:tag", "no digest", "sha256:"),
        ("a" * 64, "id on one machine", "name"),
        ("a..b", "no repository", "between slashes"),
        ("a___b", "no repository", "between slashes"),
        ("-a", "no repository", "between slashes"),
        ("a/", "no repository", "between slashes"),
        ("/a", "no repository", "between slashes"),
        ("a//b", "no repository", "between slashes"),
        (":1", "names no repository", "between slashes"),
        (f"@{SHA}", "names no repository", "between slashes"),
        ("bücher/web", "no repository", "between slashes"),
        ("-bad.example/web", "no registry", "port"),
        ("host:port/web", "no registry", "port"),
        ("https://registry.example.org/web", "address", "leave out"),
        ("a/" * 128 + "a", "longer than 255", "such as"),
        ("a" * 2000, "longer than 1024", "such as"),
        ("nginx:${TAG}", "no tag", "128"),
    ],
)
def test_what_is_no_name_is_refused_with_what_to_write(text: str, words: str, hint: str) -> None:
    with pytest.raises(ImageRefUnreadable, match=words) as refused:
        parse(text)
    assert hint in refused.value.hint
    assert repr(text[:120]) in refused.value.message


@given(REFS)
def test_the_full_and_the_familiar_form_mean_the_same_image(ref: ImageRef) -> None:
    assert parse(str(ref)) == ref
    assert parse(ref.familiar()) == ref


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("docker.io/library/nginx", "nginx:latest"),
        ("docker.io/team/web:1", "team/web:1"),
        ("docker.io/my.team/web:1", "docker.io/my.team/web:1"),
        ("docker.io/library/deep/web", "library/deep/web:latest"),
        ("docker.io/localhost/web", "docker.io/localhost/web:latest"),
        ("ghcr.example/web", "ghcr.example/web:latest"),
    ],
)
def test_the_familiar_form_is_short_where_that_means_the_same(text: str, short: str) -> None:
    assert parse(text).familiar() == short


@given(REFS)
def test_a_pinned_image_has_the_digest_and_no_tag(ref: ImageRef) -> None:
    pinned = ref.pinned(SHA)
    assert str(pinned) == f"{ref.registry}/{ref.repository}@{SHA}"
    assert parse(str(pinned)) == pinned


@given(st.text("aA0._-:/@[]", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_hint(text: str) -> None:
    try:
        ref = parse(text)
    except ImageRefUnreadable as refused:
        assert refused.hint
    else:
        assert parse(str(ref)) == ref
        assert ref.tag or ref.digest


def test_parts_and_digests_are_told_from_what_is_none() -> None:
    assert is_component("a-b__c.d") and not is_component("a/b") and not is_component("") and not is_component("A")
    assert is_digest(SHA) and not is_digest(SHA[:-1]) and not is_digest("sha256:" + "g" * 64) and not is_digest("")
