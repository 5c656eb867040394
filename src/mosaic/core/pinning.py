"""Which bytes each image of an app is: every name is decided to be a digest, or said to be wrong.

Pure: what the registries said is given. `references` lists what they must be
asked, so that all can be asked at once and each only once; `pin` decides with
their answers; `pin_offline` decides with those of a lock file (`pin_lock`) and
leaves the rest as it is. All problems of an app are told together.

- `name:tag` becomes the digest that the registry gives for it now: that of the
  index where there is one, so that each kind of machine finds its own image.
- `name@digest` stays, once the registry has proved to have it.
- `name:tag@digest` must agree with the registry. Which of the two was meant
  is not ours to guess.
- An image that this publishing builds itself is what was just built, under
  any name that says so: without a tag, with `latest`, or with the build's tag.

Variables are filled in where they are part of an image, and nowhere else.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from mosaic.core import image_ref
from mosaic.core.compose_document import ComposeInvalid
from mosaic.core.compose_variables import VariableRequired, VariablesUnknown, interpolate
from mosaic.core.image_platforms import (
    INDEXES,
    MANIFESTS,
    Answer,
    NoAnswer,
    NoSuchImage,
    PlatformImage,
    Resolved,
    linux_platforms,
    shared,
)
from mosaic.core.image_ref import LATEST, ImageRef, ImageRefUnreadable
from mosaic.core.pin_problems import ImageUse, Problem, require_none


@dataclass(frozen=True, slots=True)
class OwnImage:
    """What this publishing built under a repository: its tag, and what the registry has of it."""

    tag: str
    built: Resolved


Own: TypeAlias = Mapping[str, OwnImage]
"""By the full name of the repository, registry included: `registry.example.org/team/web`."""


@dataclass(frozen=True, slots=True)
class Pin:
    """What one service's image is, named by its digest.

    `images` is what there is for which machine; None when nobody was asked,
    because the compose file gave the digest and there was no registry.
    """

    use: ImageUse
    image: ImageRef
    images: tuple[PlatformImage, ...] | None

    @property
    def literal(self) -> str:
        """Return what is written into the compose file: `registry/repository@sha256:…`."""
        return str(self.image)


@dataclass(frozen=True, slots=True)
class Pinned:
    """An app's images. `unpinned` are services that stay as written; `pin` leaves none.

    `platforms` are those that all images run on, in order; None when that is
    not known of one of them.
    """

    pins: tuple[Pin, ...]
    unpinned: tuple[ImageUse, ...]
    platforms: tuple[str, ...] | None

    def replacements(self) -> dict[str, str]:
        """Return each pinned service's literal, for `compose_text.splice`."""
        return {pin.use.service: pin.literal for pin in self.pins}


def references(uses: Iterable[ImageUse], *, variables: Mapping[str, str], own: Own) -> list[ImageRef]:
    """Return what registries must be asked, each once and in order. What cannot be read is left for `pin` to tell."""
    asked = {
        _asked(reference)
        for use in uses
        if isinstance(reference := _read(use, variables), ImageRef) and _built_here(reference, own) is None
    }
    return sorted(asked, key=str)


def pin(
    uses: Sequence[ImageUse], *, variables: Mapping[str, str], own: Own, answers: Mapping[ImageRef, Answer]
) -> Pinned:
    """Decide every image of an app. `answers` should have one for each of `references`; none at all is no answer.

    Raises:
        PinningRefused: with all problems.
        RegistriesSilent: the same, when each of them is a registry that did not answer.
    """
    unasked = dict.fromkeys(references(uses, variables=variables, own=own), NoAnswer("it was not asked"))
    return _decide(uses, variables, own, {**unasked, **answers})


def pin_offline(uses: Sequence[ImageUse], *, variables: Mapping[str, str], lock: Mapping[ImageRef, Resolved]) -> Pinned:
    """Decide what the compose file and a lock can; images that are in neither are `unpinned`.

    Raises:
        PinningRefused: with all problems.
    """
    return _decide(uses, variables, {}, lock)


def _decide(
    uses: Sequence[ImageUse], variables: Mapping[str, str], own: Own, answers: Mapping[ImageRef, Answer]
) -> Pinned:
    decisions = [_pin_one(use, variables, own, answers) for use in uses]
    require_none([each for each in decisions if isinstance(each, Problem)])
    pins = tuple(each for each in decisions if isinstance(each, Pin))
    unpinned = tuple(use for use, decided in zip(uses, decisions, strict=True) if decided is None)
    offers = [linux_platforms(pin.images) for pin in pins if pin.images is not None]
    is_known = len(offers) == len(uses)
    platforms = tuple(sorted(shared(offers)))
    if offers and not platforms:
        require_none([_nowhere([pin for pin in pins if pin.images is not None])])
    return Pinned(pins, unpinned, platforms if is_known else None)


def _pin_one(
    use: ImageUse, variables: Mapping[str, str], own: Own, answers: Mapping[ImageRef, Answer]
) -> Pin | Problem | None:
    reference = _read(use, variables)
    if isinstance(reference, Problem):
        return reference
    built = _built_here(reference, own)
    if built is not None:
        return _pin_own(use, reference, built)
    answer = answers.get(_asked(reference))
    if answer is not None:
        return _judge(use, reference, answer)
    return Pin(use, reference.pinned(reference.digest), None) if reference.digest else None


def _read(use: ImageUse, variables: Mapping[str, str]) -> ImageRef | Problem:
    if use.text is None and use.has_build:
        return Problem(
            use,
            "it is built from source and names no image",
            "move what it is built from into a top folder of the app repository, and name as `image:` what it becomes",
        )
    if use.text is None:
        return Problem(use, "it has no image", "add `image: name:tag`; one that `extends` would bring is not seen")
    try:
        return image_ref.parse(str(interpolate(use.text, variables)))
    except VariablesUnknown as error:
        names = ", ".join("$" + name for name in error.names)
        return Problem(
            use,
            f"its image has {names}, which nobody fills in",
            f"give it a value for publishing, or write a default: ${{{error.names[0]}:-…}}",
        )
    except VariableRequired as error:
        return Problem(use, error.message, "give it a value for publishing")
    except (ComposeInvalid, ImageRefUnreadable) as error:
        return Problem(use, error.message, error.hint)


def _built_here(reference: ImageRef, own: Own) -> OwnImage | None:
    """Return what this publishing built under the name; a digest alone means what is in the registry already."""
    return own.get(reference.name) if reference.tag else None


def _asked(reference: ImageRef) -> ImageRef:
    """Return the name to ask for: of a tag with a digest, what the tag is now."""
    return replace(reference, digest=None) if reference.tag else reference


def _pin_own(use: ImageUse, reference: ImageRef, own: OwnImage) -> Pin | Problem:
    if reference.tag in (LATEST, own.tag):
        return _judge(use, reference, own.built)
    return Problem(
        use,
        f"{reference.familiar()} is built here, and pinned to {own.tag}",
        "leave the tag out, or use latest",
    )


def _judge(use: ImageUse, reference: ImageRef, answer: Answer) -> Pin | Problem:
    match answer:
        case Resolved():
            return _judge_resolved(use, reference, answer)
        case NoSuchImage():
            return Problem(
                use,
                f"{reference.familiar()} does not exist: {answer.why}",
                f"correct its name or tag; if it is private, sign in: `docker login {reference.registry}`",
            )
        case NoAnswer():
            return Problem(
                use,
                f"{reference.registry} did not say what {reference.familiar()} is: {answer.why}",
                "try again when the registry can be reached",
                may_pass=True,
            )
        case _:
            assert_never(answer)


def _judge_resolved(use: ImageUse, reference: ImageRef, resolved: Resolved) -> Pin | Problem:
    if resolved.media_type not in INDEXES | MANIFESTS:
        return Problem(
            use,
            f"{reference.familiar()} is of type {resolved.media_type[:120]}, which is no image that can be pinned",
            "name an image; if it is one of a very old kind, push it again with a newer `docker push`",
        )
    if reference.digest not in (None, resolved.digest):
        return _disagreement(use, reference, resolved)
    return Pin(use, reference.pinned(resolved.digest), resolved.images())


def _disagreement(use: ImageUse, reference: ImageRef, resolved: Resolved) -> Problem:
    if reference.tag is None:
        return Problem(
            use,
            f"asked for {reference.digest}, {reference.registry} answered with {resolved.digest}",
            "its answer cannot be trusted: take the image from another registry",
        )
    part = next((each.platform for each in resolved.images() if each.digest == reference.digest), None)
    return Problem(
        use,
        f"{reference.name}:{reference.tag} is {resolved.digest} now, and the file says {reference.digest}"
        + (f", which is its image for {part} alone" if part else ""),
        "leave the tag out to keep the digest, or the digest to take what the tag is now",
    )


def _nowhere(pins: Sequence[Pin]) -> Problem:
    """Say that no machine runs all images; at the first service that runs nowhere together with those before it."""
    offers = [linux_platforms(pin.images or ()) for pin in pins]
    first = bisect_left(range(len(pins)), True, key=lambda number: not shared(offers[: number + 1]))
    said = "; ".join(
        f"{pin.use.service} has {', '.join(sorted(offer)) or 'none'}" for pin, offer in zip(pins, offers, strict=True)
    )
    return Problem(
        pins[first].use,
        f"no platform has all images of the app: {said}",
        "use images that are made for the same machines",
    )
