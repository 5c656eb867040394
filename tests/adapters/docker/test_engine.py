"""The engine's door on a real engine: what is asked for is what comes back."""

import secrets
import time
from collections.abc import Iterator

import anyio
import pytest

from mosaic.adapters import process
from mosaic.adapters.docker.api import EngineRefused
from mosaic.adapters.docker.engine import DockerEngine, ImageMissing
from mosaic.device.config import DEFAULT_ENGINE

pytestmark = pytest.mark.engine

RUN = ("docker", "run", "--init")
IMAGES = ("mosaic/base:12", "debian:12-slim", "mosaic/notes-nginx:1")


@pytest.fixture
def engine() -> DockerEngine:
    return DockerEngine(DEFAULT_ENGINE)


@pytest.fixture
def label(engine: DockerEngine) -> Iterator[str]:
    """A label of this test's own; whatever has it is removed at the end."""
    made = f"mosaic.test={secrets.token_hex(6)}"
    yield made
    anyio.run(lambda: engine.end_containers(made, grace_seconds=0))


def image_of(engine: DockerEngine) -> str:
    found = anyio.run(engine.images, IMAGES)
    assert found, "script/images has not built a base image"
    return next(iter(found))


def run(engine: DockerEngine, label: str, *command: str, options: tuple[str, ...] = ()) -> None:
    words = [*RUN, "--detach", "--label", label, *options, image_of(engine), *command]
    process.run(words, deadline_seconds=60)


def test_the_engine_says_its_version(engine: DockerEngine) -> None:
    found = anyio.run(engine.version)

    assert found.api >= (1, 41)
    assert found.architecture in ("amd64", "arm64")


def test_only_containers_with_the_label_are_seen_with_their_exit_codes(engine: DockerEngine, label: str) -> None:
    run(engine, label, "sh", "-c", "exit 3")
    run(engine, "mosaic.test=other", "true", options=("--rm",))

    async def ended() -> int | None:
        with anyio.fail_after(60):
            while (found := (await engine.containers(label))[0]).state != "exited":
                await anyio.sleep(0.05)
        assert len(await engine.containers(label)) == 1
        return found.exit_code

    assert anyio.run(ended) == 3


def test_a_healthcheck_that_passes_is_an_event(engine: DockerEngine, label: str) -> None:
    """What an install waits for: without it the gate would look on a timer."""
    health = ("--health-cmd", "true", "--health-interval", "1s")
    seen: list[float] = []
    image = image_of(engine)

    async def watched() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.watch, label, lambda: seen.append(time.monotonic()))
            with anyio.fail_after(60):
                # The stream begins a while after it was asked for, and what happens before that is not told.
                while not seen:
                    await process.run_async([*RUN, "--rm", "--label", label, image, "true"], deadline_seconds=60)
                while await engine.containers(label):
                    await anyio.sleep(0.05)
            await anyio.to_thread.run_sync(lambda: run(engine, label, "sleep", "60", options=health))
            with anyio.fail_after(60):
                while (await engine.containers(label))[0].health != "healthy":
                    before = len(seen)
                    while len(seen) == before:
                        await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    anyio.run(watched)

    assert len(seen) >= 2


def test_an_image_that_is_not_here_is_not_found_and_cannot_be_pulled(engine: DockerEngine) -> None:
    missing = "localhost:1/mosaic-no-such-image:1"

    assert anyio.run(engine.images, [missing]) == {}
    with pytest.raises(ImageMissing, match="no-such-image"):
        anyio.run(engine.pull, missing)


def test_the_engines_own_sentence_is_passed_on(engine: DockerEngine) -> None:
    with pytest.raises(EngineRefused, match="name"):
        anyio.run(lambda: engine.create_volume("a/b", driver="local", options={}, labels={}))
