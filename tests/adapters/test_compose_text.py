"""Images are found where a compose file says them, and replaced there; nothing else of the file changes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.adapters.compose_text import ImageShared, images, splice
from mosaic.adapters.compose_yaml import parse
from mosaic.core.compose_document import ComposeInvalid

PIN = "docker.io/library/nginx@sha256:" + "0a" * 32
OTHER = "[2001:db8::1]:5000/team/web@sha256:" + "0b" * 32


def pinned(text: str, *services: str) -> str:
    return splice(text.encode(), dict.fromkeys(services, PIN)).decode()


def written(text: str) -> dict[str, str | None]:
    """What stands at the place of each image."""
    return {
        each.service: text[each.place.start : each.place.end] if each.place else None for each in images(text.encode())
    }


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("image: nginx:1", f"image: {PIN}"),
        ("image:   nginx:1   # why", f"image:   {PIN}   # why"),
        ("image: 'nginx:1' # why", f"image: '{PIN}' # why"),
        ('image: "nginx\\x3a1" # why', f'image: "{PIN}" # why'),
        ("image:\n      nginx:1\n    tty: true", f"image:\n      {PIN}\n    tty: true"),
        (
            "image: >- # why\n      nginx:1\n\n    # later\n    tty: true",
            f"image: {PIN} # why\n\n    # later\n    tty: true",
        ),
        ("image: |-\n      nginx:1", f"image: {PIN}"),
        ("image: !!str nginx:1", f"image: !!str {PIN}"),
        ("image: &here nginx:1", f"image: &here {PIN}"),
        ("image: !!str\n      &here # why\n      'nginx:1'", f"image: !!str\n      &here # why\n      '{PIN}'"),
        ("image: ${REGISTRY:-a}/nginx:${TAG}", f"image: {PIN}"),
        ('"image" : nginx:1', f'"image" : {PIN}'),
        ("? image\n    : nginx:1", f"? image\n    : {PIN}"),
        ("image: nginx:1 #\t€ 😀", f"image: {PIN} #\t€ 😀"),
    ],
)
@pytest.mark.parametrize("dress", [str, lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_only_the_words_of_an_image_are_replaced(said: str, becomes: str, dress: Callable[[str], str]) -> None:
    frame = "# ä 😀\nservices:\n  web:\n    {}\n\n  # the end: ${{VAR}}\nx-end: [ 1,2 ]\n"
    assert pinned(dress(frame.format(said)), "web") == dress(frame.format(becomes))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (
            '{"services":{"web":{"image":"nginx","tty":true}}}',
            f'{{"services":{{"web":{{"image":"{PIN}","tty":true}}}}}}',
        ),
        ("services: {web: {image: nginx , tty: true}}", f"services: {{web: {{image: {PIN} , tty: true}}}}"),
        ('services: {web: {"image":nginx}}', f'services: {{web: {{"image":"{PIN}"}}}}'),
        ("services: {web: {image: nginx}}\n...\n", f"services: {{web: {{image: {PIN}}}}}\n...\n"),
    ],
)
def test_an_image_in_braces_is_replaced_in_them(text: str, becomes: str) -> None:
    assert pinned(text, "web") == becomes


def test_what_would_mean_something_else_is_quoted() -> None:
    text = "services:\n  web: {image: nginx}\n  job:\n    image: 'nginx'\n"
    after = splice(text.encode(), {"web": OTHER, "job": "it's"})
    assert after.decode() == f'services:\n  web: {{image: "{OTHER}"}}\n  job:\n    image: "it\'s"\n'


def test_an_alias_is_replaced_and_not_what_it_stands_for() -> None:
    text = (
        "x-image: &image nginx\nservices:\n  web: {image: *image, labels: {l: *image}}\n  job:\n    image: *image # i\n"
    )
    assert pinned(text, "web", "job") == text.replace("image: *image", f"image: {PIN}")
    assert pinned(text, "job") == text.replace("image: *image # i", f"image: {PIN} # i")


def test_an_alias_of_another_services_image_follows_it() -> None:
    text = "services:\n  web:\n    image: &image nginx\n  job:\n    image: *image\n"
    assert pinned(text, "web", "job") == text.replace("nginx", PIN)


def test_an_alias_of_another_services_image_stays_what_it_was_when_only_that_one_is_replaced() -> None:
    text = "services:\n  web:\n    image: &image a/nginx\n  job:\n    image: *image\n"
    assert pinned(text, "web") == text.replace("*image", "a/nginx").replace("&image a/nginx", f"&image {PIN}")
    assert pinned(text, "job") == text.replace("*image", PIN)


def test_what_a_merge_key_brings_is_replaced_where_it_stands() -> None:
    text = """\
x-base: &base
  image: nginx # both
  tty: true
x-more: &more {image: redis}
services:
  web: {<<: *base}
  job:
    <<: [*base, *more]
  own:
    <<: *base
    image: redis
"""
    assert written(text) == {"web": "nginx", "job": "nginx", "own": "redis"}
    assert [each.line for each in images(text.encode())] == [2, 2, 11]
    assert pinned(text, "web", "job") == text.replace("nginx", PIN)
    assert pinned(text, "own") == text.replace("    image: redis", f"    image: {PIN}")


def test_merge_keys_within_merge_keys_are_followed() -> None:
    text = "x-a: &a {image: nginx}\nx-b: &b {<<: *a}\nx-all: &all {web: {<<: *b}}\nservices:\n  <<: *all\n  job: *b\n"
    assert written(text) == {"web": "nginx", "job": "nginx"}
    assert pinned(text, "web", "job") == text.replace("nginx", PIN)


@pytest.mark.parametrize(
    ("text", "services", "words"),
    [
        ("services: {web: {image: &i nginx, labels: {l: *i}}}", ["web"], r"web in line 1 .* services\.web\.labels\.l"),
        ("services:\n  web: &w {image: nginx}\n  job: *w\n", ["web"], "web and job in line 2 .* share it"),
        ("x-b: &b {image: nginx}\nservices: {a: {<<: *b}, b: {<<: *b}}", ["b"], "a and b in line 1 .* share it"),
        ("x-mosaic: &b {image: nginx}\nservices: {a: {<<: *b}}", ["a"], r"x-mosaic\.image"),
        ("services: {a: &b {image: nginx}, b: {image: x, environment: *b}}", ["a"], r"services\.b\.environment\.image"),
    ],
)
def test_words_that_say_something_else_too_are_not_replaced(text: str, services: list[str], words: str) -> None:
    with pytest.raises(ImageShared, match=words) as refused:
        pinned(text, *services)
    assert "without & and *" in refused.value.hint


def test_a_build_and_an_image_that_is_missing_are_told_with_their_lines() -> None:
    text = (
        b"services:\n  web:\n    tty: 1\n    build: .\n  job:\n    image:\n    build: {}\n  own: {image: a}\n  none:\n"
    )
    assert [(each.service, each.image, each.line, each.build_line) for each in images(text)] == [
        ("web", None, 2, 4),
        ("job", None, 6, 7),
        ("own", "a", 8, None),
        ("none", None, 9, None),
    ]
    assert [each.use("f.yml").has_build for each in images(text)] == [True, True, False, False]
    assert splice(text, {"web": PIN, "unknown": PIN}) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services:\n  web:\n    image: a\n    tty: true\n    image: b", "'image' in line 3 and again, .* in line 5"),
        ("services:\n  web: {image: a}\n  'web': {image: b}", "'web' in line 2 and again, .* in line 3"),
        ("services: {}\nservices: {web: {image: a}}", "'services' in line 1 and again"),
        ("x: &x {image: a}\nservices: {web: {<<: *x, <<: *x}}", "'<<' in line 2 and again"),
        ("services: {web: {image: 5}}", "image of service web in line 1 is not text"),
        ("services: {web: {image: [a]}}", "image of service web in line 1 is not text"),
        ("services:\n  web:\n    image: true", "image of service web in line 3 is not text"),
        ("services: {web: {image: !!binary aGk=}}", "."),
        ("services: {web: {image: !!null a}}", "cannot be followed"),
        ("x: &x {services: {web: {image: a}}}\n!!merge '<<': *x", "cannot be followed"),
        ("services: [a]", "not a mapping"),
        ("services: {web: a}", "not a mapping"),
        ("services:", "no services"),
        ("a: 1", "no services"),
        ("- a", "not a mapping"),
        ("", "no services"),
        ("services: {web: {image: a}}\n---\nservices: {}", "single document"),
        ("services: [", "not YAML"),
        ("services: {web: {image: *a}}", "stands for nothing"),
        ("services: &a {web: *a}", "stands for nothing"),
        ("a: " + "[" * 100_000, "too large"),
        ("x" * 2**20 + "x", "larger than 1 MiB"),
    ],
    ids=lambda value: value[:30],
)
def test_a_file_whose_images_are_in_doubt_is_refused(text: str, words: str) -> None:
    with pytest.raises(ComposeInvalid, match=words) as refused:
        images(text.encode())
    assert refused.value.hint


def test_a_file_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ComposeInvalid, match="UTF-8") as refused:
        images("services: {web: {image: a}}".encode("utf-16"))
    assert "UTF-8" in refused.value.hint


@dataclass(frozen=True)
class Said:
    """One service and a way to say its image; `{}` is where the image stands in `lines`."""

    image: str
    lines: str
    comment: str


WAYS = [
    "image: {}",
    "image: '{}'",
    'image: "{}"',
    "tty: true\n    image:   {}",
    "image: !!str '{}'",
    "? image\n    : {}",
    "image: &{name} {}\n    environment:\n      WHERE: ${{HERE:-x}}",
    "image: *shared",
    "<<: *base",
    "<<: [*base, {{tty: false}}]",
]
IMAGES = st.sampled_from(["nginx", "nginx:1.29", "a.example:5000/team/web:2", "${REGISTRY}/web", "redis"])
SERVICES = st.lists(
    st.builds(Said, IMAGES, st.sampled_from(WAYS), st.sampled_from(["", " # why: {}", "\t# ä 😀"])),
    min_size=1,
    max_size=5,
)
SHARED = "a.example/shared:1"
HEAD = f"# {{comment}}\nx-shared: &shared {SHARED}\nx-base: &base\n  image: '{SHARED}' # of many\n  restart: always\n"


def document(services: Iterable[Said], ends: str, mark: str) -> str:
    text = HEAD + "services:\n"
    for number, said in enumerate(services):
        lines = said.lines.format(said.image, name=f"a{number}")
        first, newline, rest = lines.partition("\n")
        text += f"\n  # {number}\n  s{number}:\n    {first}{said.comment}{newline}{rest}\n    command: [ 'a',  b ]\n"
    return mark + (text + "\nvolumes: {}   # end\n").replace("\n", ends)


def without_images(text: bytes) -> str:
    characters = text.decode()
    for place in sorted({each.place for each in images(text) if each.place}, key=lambda place: -place.start):
        characters = characters[: place.start] + characters[place.end :]
    return characters


@settings(max_examples=150, deadline=None)
@given(SERVICES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]), st.sets(IMAGES | st.just(SHARED)))
def test_a_spliced_file_is_the_same_but_for_its_images(
    services: list[Said], ends: str, mark: str, replaced: set[str]
) -> None:
    text = document(services, ends, mark).encode()
    before, found = parse(text), images(text)
    wanted = {
        each.service: f"{PIN[:-2]}{number:02}"
        for number, image in enumerate(sorted(replaced))
        for each in found
        if each.image == image
    }
    after = splice(text, wanted)
    assert images_in(parse(after)) == images_in(before) | wanted
    assert {each.service: each.image for each in images(after)} == images_in(before) | wanted
    assert bare(parse(after)) == bare(before)
    assert without_images(after) == without_images(text)
    assert [each.line for each in images(after)] == [each.line for each in found]


@settings(max_examples=60, deadline=None)
@given(SERVICES, st.sampled_from(["\n", "\r\n"]))
def test_saying_the_same_images_again_changes_no_byte(services: list[Said], ends: str) -> None:
    text = document(services, ends, "").encode()
    assert splice(text, {each.service: each.image for each in images(text) if each.image}) == text
    assert splice(text, {}) == text


def services_in(parsed: object) -> dict[str, dict[str, object]]:
    assert isinstance(parsed, dict)
    return dict(parsed["services"])


def images_in(parsed: object) -> dict[str, object]:
    return {name: service["image"] for name, service in services_in(parsed).items()}


def bare(parsed: object) -> dict[str, object]:
    """All but the images, and the sections that are there to be shared."""
    assert isinstance(parsed, dict)
    services = {
        name: {key: value for key, value in (service or {}).items() if key != "image"}
        for name, service in services_in(parsed).items()
    }
    return {key: value for key, value in parsed.items() if not key.startswith("x-")} | {"services": services}


PIECES = st.sampled_from(
    [
        *"{}[],|>'\"#?:-&*!",
        " ",
        "\n",
        "\n  ",
        "*a0",
        "&a ",
        "<<: *base\n    ",
        ": ",
        "!!str ",
        "\u2028",
        "\x85",
        "😀",
        "\t",
    ]
)


@settings(max_examples=250, deadline=None)
@given(SERVICES, st.lists(st.tuples(st.integers(0, 2**20), PIECES), min_size=1, max_size=4))
def test_a_mangled_file_is_spliced_to_the_same_meaning_or_refused_with_a_hint(
    services: list[Said], pieces: list[tuple[int, str]]
) -> None:
    text = document(services, "\n", "")
    for place, piece in pieces:
        at = place % len(text)
        text = text[:at] + piece + text[at:]
    try:
        wanted = {each.service: PIN for each in images(text.encode()) if each.image}
        after = splice(text.encode(), wanted)
    except (ComposeInvalid, ImageShared) as refused:
        assert refused.hint
    else:
        assert {each.service: each.image for each in images(after) if each.image} == wanted
        assert bare(parse(after)) == bare(parse(text.encode()))
