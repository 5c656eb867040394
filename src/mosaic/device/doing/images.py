"""Pinning an app's images to ids, and having them here.

Tags are resolved once, at the first start, and reported; from then on the ids
count, whatever a tag means later. An image that the app names by digest is had
by that digest alone: it was signed with the app, and no Hive's word for an id is.

A link is Mosaic's own, of this Device's version, and never pinned: no app brings
the program that may make tunnels, and no other Device says which one it is.
"""

from mosaic.adapters.docker.sights import Image
from mosaic.adapters.machine import own_architecture
from mosaic.core.app import image_names
from mosaic.core.compose_document import Compose
from mosaic.core.compose_keys import is_link_image
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import ImageId, ServiceName
from mosaic.device.means import Means
from mosaic.wire.assignment import Assignment


class ArchitectureDiffers(Refused):
    """The image is for another kind of machine."""

    code = "architecture-differs"

    def __init__(self, reference: str, image: Image, here: str) -> None:
        super().__init__(
            f"the image {reference} is for {image.os}/{image.architecture}, and this machine is linux/{here}",
            hint="install the app on another Device, or publish it with an image for this architecture",
        )


class PinMissing(NotFound):
    """The very image that the installation runs is not here, and its name now means another one."""

    code = "image-pin-missing"

    def __init__(self, service: str, reference: str, pin: str) -> None:
        super().__init__(
            f"service {service} runs image {pin[:19]}…, which is not on this machine; {reference} is another one here",
            hint="bring that image here (`docker save` and `docker load`), or update the app",
        )


async def provide(means: Means, item: Assignment, compose: Compose) -> dict[str, str]:
    """Return every service's image id, each on the engine and for this machine; note them as the pins.

    Raises:
        ImageMissing: not here, and no registry gave it.
        PinMissing, ArchitectureDiffers: see there.
    """
    names, links = _references(means, compose), _links(compose)
    told = {service: pin for service, pin in item.images.items() if not _is_digest(names.get(ServiceName(service), ""))}
    noted = {**means.records.notes_of(item.installation).images, **told}
    pins = {service: pin for service, pin in noted.items() if service not in links}
    here = await means.engine.images([*names.values(), *pins.values()])
    found: dict[str, str] = {}
    for service, reference in names.items():
        image = await _image(means, service, reference, pins.get(service), here)
        _check_architecture(reference, image)
        found[service] = image.id
    means.records.note(item.installation, images=found)
    return found


async def pinned(means: Means, item: Assignment, compose: Compose) -> dict[ServiceName, Image]:
    """Look at the pinned images, and at the link's; one that is gone is forgotten, so that it is brought here again."""
    notes = means.records.notes_of(item.installation)
    pins: dict[str, str] = {**notes.images, **dict.fromkeys(_links(compose), means.config.link_image)}
    here = await means.engine.images(pins.values())
    gone = [service for service, pin in pins.items() if pin not in here]
    if gone:
        means.records.note(item.installation, images={})
        raise PinMissing(gone[0], "its name", pins[gone[0]])
    found = {ServiceName(service): here[pin] for service, pin in pins.items()}
    if any(found[service].id != notes.images.get(service) for service in _links(compose)):
        means.records.note(item.installation, images={str(service): image.id for service, image in found.items()})
    return found


def ids(images: dict[ServiceName, Image]) -> dict[ServiceName, ImageId]:
    """Return the images' ids."""
    return {service: ImageId(image.id) for service, image in images.items()}


async def _image(means: Means, service: str, reference: str, pin: str | None, here: dict[str, Image]) -> Image:
    if pin is not None and pin in here:
        return here[pin]
    image = here.get(reference) or await means.engine.pull(reference)
    if pin is not None and image.id != pin and not _is_digest(reference):
        raise PinMissing(service, reference, pin)
    return image


def _references(means: Means, compose: Compose) -> dict[ServiceName, str]:
    return {**image_names(compose), **dict.fromkeys(_links(compose), means.config.link_image)}


def _links(compose: Compose) -> list[ServiceName]:
    return [service for service, reference in image_names(compose).items() if is_link_image(reference)]


def _is_digest(reference: str) -> bool:
    return "@" in reference


def _check_architecture(reference: str, image: Image) -> None:
    here = own_architecture()
    if (image.os, image.architecture) != ("linux", here):
        raise ArchitectureDiffers(reference, image, here)
