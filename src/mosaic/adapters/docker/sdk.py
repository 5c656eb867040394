"""Single questions to the engine by the SDK, each in the calling thread, with its errors translated.

The SDK is imported at the first question: it is the heaviest thing that a
Device loads.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mosaic.adapters.docker import sights
from mosaic.adapters.docker.sights import Image
from mosaic.core.errors import MosaicError, NotFound, Unavailable

if TYPE_CHECKING:
    from docker.api import APIClient
    from docker.types.daemon import CancellableStream

API_VERSION = "1.41"
"""What is spoken: the floor's version, so that a newer engine answers alike."""

DEADLINE_SECONDS = 60
PULL_SECONDS = 1800

_EVENTS = ["create", "start", "die", "destroy", "pause", "unpause", "health_status"]


class EngineSilent(Unavailable):
    """The engine did not answer."""

    code = "engine-silent"

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Docker engine at {address} does not answer: {reason}",
            hint="start it (`systemctl start docker`), or install it with `script/setup`",
        )


class EngineRefused(MosaicError):
    """The engine said no. The sentence is its own."""

    code = "engine-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the Docker engine refused: {sentence}",
            hint="the engine's own words say what is wrong; `mosaic doctor` checks the engine",
        )


class ImageMissing(NotFound):
    """The image is not on the engine, and could not be pulled."""

    code = "image-missing"

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(
            f"the image {reference} is not on this machine and cannot be pulled: {reason}",
            hint="check its name and the network, or build it on this machine under that name",
        )


def connect(address: str, *, api_version: str = API_VERSION, seconds: int = DEADLINE_SECONDS) -> "APIClient":
    """Return a client. Asks the engine nothing yet."""
    from docker.api import APIClient

    with translated(address):
        return APIClient(base_url=address, version=api_version, timeout=seconds)


@contextlib.contextmanager
def translated(address: str) -> Iterator[None]:
    """Turn the SDK's errors, and those of the HTTP library under it, into ours."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        raise EngineRefused(error.explanation or str(error)) from error
    except (DockerException, RequestException, HTTPError, OSError) as error:
        raise EngineSilent(address, _innermost(error)) from error


def inspect_images(client: "APIClient", references: list[str]) -> dict[str, Image]:
    """Return those images that are here."""
    from docker.errors import ImageNotFound

    found: dict[str, Image] = {}
    for reference in references:
        with contextlib.suppress(ImageNotFound):
            found[reference] = sights.image(_inspected(client, reference))
    return found


def pull(address: str, reference: str) -> Image:
    """Fetch an image from its registry. Raises ImageMissing with the registry's own sentence."""
    from docker.errors import APIError
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(reference)
    client = connect(address, seconds=PULL_SECONDS)
    try:
        client.pull(repository, tag=tag or "latest")
        return sights.image(_inspected(client, reference))
    except APIError as error:
        raise ImageMissing(reference, error.explanation or str(error)) from error
    finally:
        client.close()


def remove_volume(client: "APIClient", name: str) -> None:
    """Forget a Docker volume; one that is not there is fine."""
    from docker.errors import NotFound as Missing

    with contextlib.suppress(Missing):
        client.remove_volume(name, force=True)


def end_container(client: "APIClient", container: str, grace_seconds: int) -> None:
    """Stop and remove one container and its anonymous volumes; one that is gone already is fine."""
    from docker.errors import NotFound as Missing

    with contextlib.suppress(Missing):
        client.stop(container, timeout=grace_seconds)
        client.remove_container(container, v=True, force=True)


def remove_networks(client: "APIClient", project: str) -> None:
    """Remove the networks that compose made for a project and that nothing uses."""
    from docker.errors import APIError

    label = f"{sights.PROJECT_LABEL}={project}"
    for name in sights.network_ids(client.networks(filters={"label": [label]})):
        with contextlib.suppress(APIError):
            client.remove_network(name)


def events(client: "APIClient", label: str) -> "CancellableStream[dict[str, object]]":
    """Open the stream of what happens to containers with the label. Healthcheck runs are left out."""
    filters = {"type": ["container"], "label": [label], "event": _EVENTS}
    return client.events(filters=filters, decode=True)


def _inspected(client: "APIClient", reference: str) -> object:
    return client.inspect_image(reference)  # type: ignore[no-untyped-call]  # the stubs leave this one out


def _innermost(error: BaseException) -> str:
    """The SDK wraps an errno four times; the last one says what is wrong."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__
