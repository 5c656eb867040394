"""Building an image from a folder, and pushing it. The words are pure; the command line of the engine carries them out.

The command line and not the API: it knows the user's registry logins, and
reads `.dockerignore` as the user's own builds do.
"""

import re
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.docker.words import ENGINE, IMAGE, Argv, checked
from mosaic.core.errors import Refused

_BUILD_SECONDS = 3600.0
_PUSH_SECONDS = 1800.0
_QUESTION_SECONDS = 60.0
_NETWORK = re.compile(r"[a-z]{1,16}")
PLATFORM = re.compile(r"linux/[a-z0-9]{1,16}(?:/v[0-9]{1,2})?")
_FOREIGN = "exec format error"


class BuildFailed(Refused):
    """An image could not be built. The sentence is the engine's own."""

    code = "build-failed"

    def __init__(self, what: str, said: str) -> None:
        hint = "mend its Dockerfile, or what the lines above name; nothing was published"
        if _FOREIGN in said:
            hint = "programs of other machines need emulation here (Debian: qemu-user-static); nothing was published"
        super().__init__(f"{what}: {said}", hint=hint)


class BuildxMissing(Refused):
    """Images are asked for other machines, and the engine's command line has no buildx."""

    code = "buildx-missing"

    def __init__(self) -> None:
        super().__init__(
            "images for chosen platforms are built by buildx, and `docker buildx` is not here",
            hint="install it (Debian: docker-buildx), or leave out --platform: images are for this machine's kind then",
        )


class PushFailed(Refused):
    """An image could not be pushed. The sentence is the engine's own."""

    code = "push-failed"

    def __init__(self, image: str, said: str) -> None:
        super().__init__(
            f"{image} could not be pushed: {said}",
            hint=f"see that the engine reaches it, and `docker login {image.partition('/')[0]}`; nothing was published",
        )


def build(
    engine: str, folder: Path, image: str, *, dockerfile: str, network: str | None = None, platform: str | None = None
) -> Argv:
    """Build the folder as `image`. `network` is what its RUN steps are in ("host" where bridges reach nothing).

    `platform` is what it is for, as `linux/arm64`; None: what the engine runs on.
    """
    file = folder / dockerfile
    words = [*_docker(engine), "build", "--quiet", "--tag", checked("an image", image, IMAGE), "--file", str(file)]
    if network is not None:
        words += ["--network", checked("a network", network, _NETWORK)]
    if platform is not None:
        words += ["--platform", checked("a platform", platform, PLATFORM)]
    # An absolute path begins with a slash, so it can be no option.
    return [*words, "--", str(folder.absolute())]


def push(engine: str, image: str) -> Argv:
    """Push an image to the registry that its name begins with."""
    return [*_docker(engine), "push", "--quiet", "--", checked("an image", image, IMAGE)]


def engine_platform(engine: str) -> str | None:
    """Return what the engine runs on, as `linux/amd64`; None when it does not say."""
    words = [*_docker(engine), "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"]
    finished = process.attempt(words, deadline_seconds=_QUESTION_SECONDS)
    said = finished.text.strip()
    return said if finished.code == 0 and PLATFORM.fullmatch(said) else None


def require_buildx(engine: str) -> None:
    """Raise BuildxMissing when the engine's command line cannot build for a chosen platform."""
    if process.attempt([*_docker(engine), "buildx", "version"], deadline_seconds=_QUESTION_SECONDS).code != 0:
        raise BuildxMissing


def build_image(
    engine: str, folder: Path, image: str, *, dockerfile: str, network: str | None = None, platform: str | None = None
) -> None:
    """Build an image. One that is built from the same files as before comes from the engine's cache.

    Raises:
        BuildFailed: the engine's last lines are in it.
    """
    words = build(engine, folder, image, dockerfile=dockerfile, network=network, platform=platform)
    finished = process.attempt(words, deadline_seconds=_BUILD_SECONDS, env={"DOCKER_BUILDKIT": "1"})
    if finished.code != 0:
        raise BuildFailed(f"{folder.name} could not be built", finished.last_lines())


def push_image(engine: str, image: str) -> None:
    """Push an image. What the registry has already is not sent again.

    Raises:
        PushFailed: the engine's last lines are in it.
    """
    finished = process.attempt(push(engine, image), deadline_seconds=_PUSH_SECONDS)
    if finished.code != 0:
        raise PushFailed(image, finished.last_lines())


def _docker(engine: str) -> Argv:
    return ["docker", "--host", checked("an engine's address", engine, ENGINE)]
