"""Every image of an app becomes a digest, or a sentence with file, line and service about why it cannot."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.image_platforms import INDEXES, MANIFESTS, Answer, NoAnswer, NoSuchImage, PlatformImage, Resolved
from mosaic.core.image_ref import ImageRef, parse
from mosaic.core.pin_problems import ImageUse, PinningRefused, RegistriesSilent
from mosaic.core.pinning import Own, OwnImage, Pinned, pin, pin_offline, references

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OWN_NAME = "registry.example.org/team/web"


def sha(letter: str) -> str:
    return "sha256:" + letter * 64


def use(text: str | None, service: str = "web", line: int = 12, has_build: bool = False) -> ImageUse:
    return ImageUse(service, text, "docker-compose.yml", line, has_build)


def resolved(letter: str, *platforms: str, kind: str = OCI_INDEX) -> Resolved:
    return Resolved(sha(letter), kind, tuple(platform_image(each) for each in platforms or ("linux/amd64",)))


def platform_image(platform: str, letter: str = "e") -> PlatformImage:
    system, architecture, variant = (*platform.split("/"), "")[:3]
    return PlatformImage(system, architecture, variant, sha(letter), (100, 20))


OWN: Own = {OWN_NAME: OwnImage("0bbfe1b", resolved("d", "linux/amd64", "linux/arm64"))}


def decide(
    *uses: ImageUse, answers: Mapping[str, Answer] = {}, own: Own = OWN, variables: Mapping[str, str] = {}
) -> Pinned:
    return pin(uses, variables=variables, own=own, answers={parse(name): answer for name, answer in answers.items()})


def refused(*uses: ImageUse, answers: Mapping[str, Answer] = {}, variables: Mapping[str, str] = {}) -> PinningRefused:
    with pytest.raises(PinningRefused) as caught:
        decide(*uses, answers=answers, variables=variables)
    assert all(problem.hint for problem in caught.value.problems) and caught.value.hint
    return caught.value


def test_a_tag_becomes_the_digest_of_its_index_with_its_platforms() -> None:
    decided = decide(
        use("nginx:1.29"), answers={"nginx:1.29": resolved("a", "linux/amd64", "linux/arm64/v8", "linux/arm/v7")}
    )
    assert decided.replacements() == {"web": f"docker.io/library/nginx@{sha('a')}"}
    assert decided.platforms == ("linux/amd64", "linux/arm/v7", "linux/arm64")
    assert decided.pins[0].images is not None and decided.pins[0].images[0].layer_sizes == (100, 20)
    assert decided.unpinned == ()


@pytest.mark.parametrize("kind", sorted(INDEXES | MANIFESTS))
def test_images_of_all_today_s_kinds_are_pinned(kind: str) -> None:
    decided = decide(use("nginx"), answers={"nginx": resolved("a", kind=kind)})
    assert decided.pins[0].literal == f"docker.io/library/nginx@{sha('a')}"


def test_what_says_how_an_image_was_made_is_no_platform() -> None:
    decided = decide(use("nginx"), answers={"nginx": resolved("a", "linux/amd64", "unknown/unknown")})
    assert [image.platform for image in decided.pins[0].images or ()] == ["linux/amd64"]
    assert decided.platforms == ("linux/amd64",)


def test_a_digest_is_kept_when_the_registry_has_it() -> None:
    name = f"nginx@{sha('a')}"
    assert references([use(name)], variables={}, own={}) == [parse(name)]
    assert decide(use(name), answers={name: resolved("a")}).pins[0].literal == f"docker.io/library/{name}"


def test_a_tag_and_a_digest_that_agree_are_pinned_and_that_disagree_are_refused_with_both() -> None:
    use_both = use(f"nginx:1.29@{sha('a')}")
    assert references([use_both], variables={}, own={}) == [parse("nginx:1.29")]
    assert (
        decide(use_both, answers={"nginx:1.29": resolved("a")}).pins[0].literal == f"docker.io/library/nginx@{sha('a')}"
    )
    wrong = refused(use_both, answers={"nginx:1.29": resolved("b")})
    assert str(wrong.problems[0]) == (
        f"docker-compose.yml:12: service web: docker.io/library/nginx:1.29 is {sha('b')} now, "
        f"and the file says {sha('a')}"
    )
    part = refused(use(f"nginx:1.29@{sha('e')}"), answers={"nginx:1.29": resolved("b", "linux/arm64")})
    assert "its image for linux/arm64 alone" in part.message


def test_only_the_image_is_filled_in_and_an_unknown_variable_is_named() -> None:
    text = "${REGISTRY:-a.example}/web:${TAG}"
    assert references([use(text)], variables={"TAG": "2"}, own={}) == [parse("a.example/web:2")]
    wrong = refused(use(text), use("$A/$B", "db", 20))
    assert [str(problem) for problem in wrong.problems] == [
        "docker-compose.yml:12: service web: its image has $TAG, which nobody fills in",
        "docker-compose.yml:20: service db: its image has $A, $B, which nobody fills in",
    ]
    assert "${TAG:-…}" in wrong.hint and "${A:-…}" in wrong.hint


@pytest.mark.parametrize(
    ("wrong", "answer", "words"),
    [
        (use(None), None, "has no image"),
        (use(None, has_build=True), None, "built from source and names no image"),
        (use(""), None, "empty"),
        (use("Nginx"), None, "'Nginx' is no name of an image: 'Nginx' has upper-case letters"),
        (use("nginx:${"), None, "dollar sign"),
        (use("nginx:${TAG:?say which}"), None, r"the app needs \$TAG: say which"),
        (use("a.example/nginx"), NoSuchImage("unknown"), "a.example/nginx:latest does not exist: unknown"),
        (use("a.example/nginx"), resolved("a", kind="text/html"), "a.example/nginx:latest is of type text/html"),
        (use(f"{OWN_NAME}:1"), None, f"{OWN_NAME}:1 is built here, and pinned to 0bbfe1b"),
        (use(f"{OWN_NAME}@{sha('a')}"), resolved("b"), f"asked for {sha('a')}, registry.* answered with {sha('b')}"),
    ],
)
def test_what_cannot_be_pinned_is_told_with_file_line_and_service(
    wrong: ImageUse, answer: Answer | None, words: str
) -> None:
    answers = {wrong.text: answer} if answer and wrong.text else {}
    with pytest.raises(PinningRefused, match=rf"^docker-compose\.yml:12: service web: .*{words}") as caught:
        decide(wrong, answers=answers)
    assert caught.value.hint


def test_all_problems_are_told_at_once() -> None:
    wrong = refused(
        use(None, "a", 1, has_build=True),
        use("Bad", "b", 2),
        use("gone", "c", 3),
        use("silent", "d", 4),
        use("good", "e", 5),
        answers={"gone": NoSuchImage("unknown"), "silent": NoAnswer("timed out"), "good": resolved("a")},
    )
    assert [(problem.use.service, problem.use.line) for problem in wrong.problems] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
        ("d", 4),
    ]
    assert all(str(problem) in wrong.message for problem in wrong.problems)


def test_registries_that_are_only_silent_may_be_asked_again_later() -> None:
    with pytest.raises(RegistriesSilent, match=r"docker\.io did not say what nginx:latest is: timed out") as caught:
        decide(use("nginx"), use("a.example/b", "db"), answers={"nginx": NoAnswer("timed out")})
    assert [problem.use.service for problem in caught.value.problems] == ["web", "db"]
    assert "it was not asked" in caught.value.message


@pytest.mark.parametrize("tag", ["", ":latest", ":0bbfe1b", f":latest@{sha('d')}", ":${TAG}"])
def test_an_image_that_is_built_here_is_what_was_just_built(tag: str) -> None:
    text = "registry.example.org/${FACTORY}/web" + tag
    variables = {"FACTORY": "team", "TAG": "0bbfe1b"}
    assert references([use(text)], variables=variables, own=OWN) == []
    decided = decide(use(text), variables=variables)
    assert decided.pins[0].literal == f"{OWN_NAME}@{sha('d')}"
    assert decided.platforms == ("linux/amd64", "linux/arm64")


def test_an_image_that_is_built_here_and_named_with_another_digest_is_refused_with_both() -> None:
    wrong = refused(use(f"{OWN_NAME}:latest@{sha('a')}"))
    assert sha("a") in wrong.message and sha("d") in wrong.message


def test_another_tag_of_what_is_built_here_is_told_what_to_write() -> None:
    assert refused(use(f"{OWN_NAME}:old")).hint == "leave the tag out, or use latest"


def test_each_name_is_asked_for_once_and_none_that_is_built_here() -> None:
    uses = [use(text) for text in ("nginx", "docker.io/nginx:latest", "redis:7", OWN_NAME, "Bad", "$NO", None)]
    assert references(uses, variables={}, own=OWN) == [parse("nginx"), parse("redis:7")]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (["linux/amd64", "linux/arm64"], ["linux/arm64/v8", "linux/arm/v7"], ("linux/arm64",)),
        (["linux/amd64", "linux/arm64"], ["linux/amd64", "linux/arm64"], ("linux/amd64", "linux/arm64")),
        (["linux/arm/v7"], ["linux/arm/v6"], ("linux/arm/v7",)),
        (["linux/arm"], ["linux/arm/v7"], ("linux/arm/v7",)),
        (["linux/amd64/v1"], ["linux/amd64"], ("linux/amd64",)),
        (["windows/amd64", "linux/amd64"], ["windows/amd64", "linux/amd64"], ("linux/amd64",)),
    ],
)
def test_an_app_runs_where_all_its_images_do(first: list[str], second: list[str], both: tuple[str, ...]) -> None:
    answers = {"one": resolved("a", *first), "two": resolved("b", *second)}
    assert decide(use("one"), use("two", "db"), answers=answers).platforms == both


def test_an_app_that_runs_nowhere_is_refused_with_what_each_image_has() -> None:
    wrong = refused(
        use("one", "a", 1),
        use("two", "b", 2),
        use("three", "c", 3),
        answers={
            "one": resolved("a", "linux/amd64", "linux/arm64"),
            "two": resolved("b", "linux/amd64"),
            "three": resolved("c", "linux/arm64", "windows/amd64"),
        },
    )
    assert str(wrong.problems[0]) == (
        "docker-compose.yml:3: service c: no platform has all images of the app: "
        "a has linux/amd64, linux/arm64; b has linux/amd64; c has linux/arm64"
    )


def test_without_registries_a_lock_pins_and_the_rest_is_left_and_named() -> None:
    uses = [use("nginx"), use("redis:7", "cache"), use(f"db:1@{sha('b')}", "db")]
    decided = pin_offline(uses, variables={}, lock={parse("nginx"): resolved("a")})
    assert decided.replacements() == {
        "web": f"docker.io/library/nginx@{sha('a')}",
        "db": f"docker.io/library/db@{sha('b')}",
    }
    assert decided.unpinned == (uses[1],)
    assert decided.platforms is None
    assert pin_offline(uses[:1], variables={}, lock={parse("nginx"): resolved("a")}).platforms == ("linux/amd64",)


def test_without_registries_what_is_wrong_in_the_file_is_refused_all_the_same() -> None:
    with pytest.raises(PinningRefused) as caught:
        pin_offline([use("Bad"), use(None, "db"), use(f"nginx:1@{sha('b')}", "x")], variables={}, lock=LOCK)
    assert [problem.use.service for problem in caught.value.problems] == ["web", "db", "x"]


LOCK = {parse("nginx:1"): resolved("a")}
TEXTS = st.sampled_from(
    ["nginx", "nginx:1", "a.example/x:2", f"nginx:1@{sha('a')}", f"x@{sha('b')}", "$V", "${NO}", "Bad", OWN_NAME, None]
)
ANSWERS = st.sampled_from(
    [resolved("a"), resolved("b", "linux/arm64"), NoSuchImage("unknown"), NoAnswer("timed out"), None]
)
USES = st.lists(
    st.builds(ImageUse, st.text("ab", min_size=1, max_size=3), TEXTS, st.just("f"), st.integers(1, 9), st.booleans()),
    max_size=5,
)


@given(USES, st.lists(ANSWERS, min_size=5, max_size=5))
def test_every_service_is_pinned_or_told_of(uses: list[ImageUse], said: list[Answer | None]) -> None:
    asked = references(uses, variables={"V": "nginx"}, own=OWN)
    answers = {name: answer for name, answer in zip(asked, said, strict=False) if answer is not None}
    try:
        decided = pin(uses, variables={"V": "nginx"}, own=OWN, answers=answers)
    except (PinningRefused, RegistriesSilent) as error:
        assert error.problems
        assert {problem.use for problem in error.problems} <= set(uses)
        assert isinstance(error, RegistriesSilent) == all(problem.may_pass for problem in error.problems)
    else:
        assert [each.use for each in decided.pins] == uses
        assert all(parse(each.literal).tag is None and parse(each.literal).digest for each in decided.pins)
        assert decided.platforms or not uses


def test_a_name_that_is_asked_for_is_one_that_people_can_type() -> None:
    assert [reference.familiar() for reference in references([use("$V")], variables={"V": "nginx"}, own={})] == [
        "nginx:latest"
    ]
    assert isinstance(references([use("nginx")], variables={}, own={})[0], ImageRef)
