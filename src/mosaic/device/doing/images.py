"""Pinning an app's images to ids, and having them here.

Tags are resolved once, at the first start, and reported; from then on the ids
count, whatever a tag means later.
"""

import platform

from mosaic.adapters.docker.sights import Image
from mosaic.core.app import image_names
from mosaic.core.compose_document import Compose
from mosaic.core.errors import NotFound, Refused
from mosaic.core.ids import ImageId, ServiceName
from mosaic.device.means import Means
from mosaic.wire.assignment import Assignment

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


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
    names = image_names(compose)
    pins = {**means.records.notes_of(item.installation).images, **item.images}
    here = await means.engine.images([*names.values(), *pins.values()])
    found: dict[str, str] = {}
    for service, reference in names.items():
        image = await _image(means, service, reference, pins.get(service), here)
        _check_architecture(reference, image)
        found[service] = image.id
    means.records.note(item.installation, images=found)
    return found


async def pinned(means: Means, item: Assignment) -> dict[ServiceName, Image]:
    """Look at the pinned images; one that is gone is forgotten, so that it is brought here again."""
    pins = means.records.notes_of(item.installation).images
    here = await means.engine.images(pins.values())
    gone = [service for service, pin in pins.items() if pin not in here]
    if gone:
        means.records.note(item.installation, images={})
        raise PinMissing(gone[0], "its name", pins[gone[0]])
    return {ServiceName(service): here[pin] for service, pin in pins.items()}


def ids(images: dict[ServiceName, Image]) -> dict[ServiceName, ImageId]:
    """Return the images' ids."""
    return {service: ImageId(image.id) for service, image in images.items()}


async def _image(means: Means, service: str, reference: str, pin: str | None, here: dict[str, Image]) -> Image:
    if pin is not None and pin in here:
        return here[pin]
    image = here.get(reference) or await means.engine.pull(reference)
    if pin is not None and image.id != pin:
        raise PinMissing(service, reference, pin)
    return image


def _check_architecture(reference: str, image: Image) -> None:
    machine = platform.machine()
    here = _ARCHITECTURES.get(machine, machine)
    if (image.os, image.architecture) != ("linux", here):
        raise ArchitectureDiffers(reference, image, here)
