"""The images that a compose file names: where each is said, and saying another there.

A published file is the author's own, with images pinned in place: comments,
order, quotes and `${VAR}` stay as they were, because only the words that say
an image are changed. A file that was read and written anew would lose them.

Where services share the words of one image:
- a `*alias` is replaced itself, and what it stands for stays, which may mean
  something else elsewhere; but where that is an image too and becomes the same
  one, the alias stays and follows it;
- what a merge key (`<<`) brings is replaced where it stands, once for all who
  merge it. An `x-…` section that it stands in changes with it.

What came out is read again and compared with what went in: should anything
but the images differ, nothing is returned. So no file is changed in its
meaning, whatever is done in it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mosaic.adapters import compose_nodes as nodes
from mosaic.adapters.compose_yaml import outline, parse
from mosaic.core.compose_document import ComposeInvalid, Json, as_mapping, as_section, to_json
from mosaic.core.errors import Refused
from mosaic.core.pin_problems import ImageUse

_BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:-]*[/@:][A-Za-z0-9._/@:-]*[A-Za-z0-9]")
"""Text that needs no quotes anywhere: with one of the three in its middle it is no number, flag or null either."""

_IN_QUOTES = re.compile(r"[A-Za-z0-9._/@:\[\]-]*")
_OUR_EXTENSION = "x-mosaic"


class ImageShared(Refused):
    """The words that say an image say something else too, which would change with them."""

    code = "image-shared"

    def __init__(self, services: str, line: int, what: str) -> None:
        super().__init__(
            f"the image of service {services} in line {line} cannot be pinned in place: {what}",
            hint="write the image out where it is wanted, without & and *",
        )


@dataclass(frozen=True, slots=True)
class ServiceImage:
    """What one service says of its image.

    `place` is where: the word, or the `*alias` that stands for it; None, as
    `image` is, when the service names none. `line` is the place's, else that
    of the service's name. `build_line` is that of its `build:`, None without.
    """

    service: str
    image: str | None
    place: nodes.Place | None
    line: int
    build_line: int | None

    def use(self, file: str) -> ImageUse:
        """Return what pinning decides on; `file` is the name to tell people."""
        return ImageUse(self.service, self.image, file, self.line, has_build=self.build_line is not None)


def images(text: bytes) -> list[ServiceImage]:
    """Return what each service says of its image, in the file's order.

    Raises:
        ComposeInvalid: it is no compose file, a key stands twice in a mapping, or an image is not text.
    """
    return [found.said for found in _find(text, to_json(parse(text)))]


def splice(text: bytes, replacements: Mapping[str, str]) -> bytes:
    """Return the file with other images for these services. All other bytes are as they were.

    Raises:
        ComposeInvalid: as `images`.
        ImageShared: something else would change with an image.
    """
    document = to_json(parse(text))
    found = [each for each in _find(text, document) if each.word is not None]
    wanted = {each.said.service: replacements.get(each.said.service, each.said.image or "") for each in found}
    characters = text.decode()
    parts, at = [], 0
    for place, words in sorted(_edits(characters, found, wanted).items(), key=lambda edit: edit[0].start):
        parts += [characters[at : place.start], words]
        at = place.end
    spliced = "".join([*parts, characters[at:]]).encode()
    _require_same(document, spliced, found, wanted)
    return spliced


@dataclass(frozen=True, slots=True)
class _Found:
    """A service's image, and the word that says it, itself or by an alias; None when there is none."""

    said: ServiceImage
    word: nodes.Scalar | None


def _find(text: bytes, document: Json) -> list[_Found]:
    services = as_section(as_mapping(document, "the compose file").get("services"), "services")
    if not services:
        raise ComposeInvalid(
            "the compose file has no services", hint="name at least one with an image, below `services:`"
        )
    top = nodes.entries(outline(text))
    written = nodes.entries(top["services"][1]) if "services" in top else {}
    found = [_of_service(name, key, value) for name, (key, value) in written.items()]
    # Two readings of one file must agree on what its images are, or the wrong words would be changed.
    if {each.said.service: each.said.image for each in found} != {
        name: service.get("image") for name, service in services.items()
    }:
        raise ComposeInvalid(
            "the compose file says its images in a way that cannot be followed",
            hint="write each image as `image: name:tag`, without a tag such as !!str before it",
        )
    return found


def _of_service(name: str, key: nodes.Node, service: nodes.Node) -> _Found:
    entries = nodes.entries(service)
    build_line = entries["build"][0].place.line if "build" in entries else None
    if "image" not in entries:
        return _Found(ServiceImage(name, None, None, key.place.line, build_line), None)
    value = entries["image"][1]
    word = nodes.meant(value)
    if isinstance(word, nodes.Scalar) and word.meaning is None:
        return _Found(ServiceImage(name, None, None, value.place.line, build_line), None)
    if not isinstance(word, nodes.Scalar) or not isinstance(word.meaning, str):
        raise ComposeInvalid(
            f"the image of service {name} in line {value.place.line} is not text",
            hint="write it as name:tag, in quotation marks",
        )
    said = ServiceImage(name, word.meaning, value.place, value.place.line, build_line)
    return _Found(said, word)


def _edits(characters: str, found: Sequence[_Found], wanted: Mapping[str, str]) -> dict[nodes.Place, str]:
    """Return what is to stand at which places; a place where nothing changes is left out."""
    becomes: dict[nodes.Place, str] = {}
    for each in found:
        image, place = wanted[each.said.service], each.said.place
        if place is not None and becomes.setdefault(place, image) != image:
            services = " and ".join(other.said.service for other in found if other.said.place == place)
            raise ImageShared(services, place.line, "they share it, and are to have different ones")
    edits: dict[nodes.Place, str] = {}
    for each in found:
        place, word = each.said.place, each.word
        if place is None or word is None:
            continue
        image = becomes[place]
        # The word behind an alias has a place among these when it is an image itself.
        stays = word.text if place == word.place else becomes.get(word.place, word.text)
        if image != stays:
            style = word.style if place == word.place else ""
            edits[place] = _written(
                image, style, characters[place.start - 1 : place.start], characters[place.start : place.end]
            )
    return edits


def _written(image: str, style: str, before: str, old: str) -> str:
    """Return the words that say an image, in the style of the old ones."""
    if style in ("'", '"') and _IN_QUOTES.fullmatch(image):
        return f"{style}{image}{style}"
    # What the quotes leave and YAML refuses is found when the whole is read again.
    words = image if _BARE.fullmatch(image) and before.isspace() else json.dumps(image, ensure_ascii=False)
    return words + _around_block(old) if style in ("|", ">") else words


def _around_block(block: str) -> str:
    """Return what is not the image of a block of lines: a comment behind its sign, and how its last line ends."""
    sign, *_ = block.splitlines()
    return sign.lstrip("|>+-0123456789") + block[len(block.rstrip()) :]


def _require_same(before: Json, spliced: bytes, found: Sequence[_Found], wanted: Mapping[str, str]) -> None:
    """Return when the spliced file means what the first one did, but for the images."""
    after = to_json(parse(spliced))
    changed = {(each.said.image, wanted[each.said.service]) for each in found}
    for path in _differences(before, after, ()):
        match path:
            case ("services", service, "image") if _at(after, path) == wanted.get(service):
                continue
        if _is_extension(path) and (_at(before, path), _at(after, path)) in changed:
            continue
        shared = [each.said for each in found if wanted[each.said.service] != each.said.image]
        says = next((said for said in shared if said.image == _at(before, path)), shared[0])
        raise ImageShared(says.service, says.line, f"the same words say {'.'.join(path)}")


def _differences(before: Json, after: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value in before.items():
            yield from _differences(value, after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, value in enumerate(before):
            yield from _differences(value, after[number], (*path, str(number)))
    elif before != after or type(before) is not type(after):
        yield path


def _at(document: Json, path: tuple[str, ...]) -> Json:
    for part in path:
        match document:
            case dict():
                document = document.get(part)
            case list():
                document = document[int(part)]
            case _:
                return None
    return document


def _is_extension(path: tuple[str, ...]) -> bool:
    """Whether a value lies in a section that means nothing to compose, nor to us."""
    return any(part.startswith("x-") for part in path) and _OUR_EXTENSION not in path
