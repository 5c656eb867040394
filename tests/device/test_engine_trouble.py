"""An engine that hangs or dies: what runs goes on, and the Device sees again as soon as it answers (G10)."""

from collections.abc import Iterator

import anyio.from_thread
import pytest
from anyio.from_thread import BlockingPortal

from mosaic.adapters.docker import api
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.core.errors import MosaicError
from mosaic.device import lookout
from mosaic.device.lookout import Lookout
from support.at_engine import BASE
from support.fake_storage import FakeStorage, FakeStore
from support.own_engine import OwnEngine, is_alive, own_engine
from support.waiting import eventually

pytestmark = pytest.mark.engine

LABEL = "mosaic.device=attic"


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as engine:
        yield engine


class Watcher:
    """A Device's lookout in a thread of its own, looking whenever something rings."""

    def __init__(self, engine: OwnEngine, portal: BlockingPortal) -> None:
        self.portal = portal
        self.lookout = Lookout(DockerEngine(engine.address), FakeStorage(FakeStore()), label=LABEL)
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1

    async def look(self) -> None:
        await self.lookout.look()

    def running(self) -> int:
        seen = self.lookout.latest
        return sum(one.state == "running" for one in seen.containers) if seen else -1


@pytest.fixture
def watcher(engine: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    monkeypatch.setattr(api, "DEADLINE_SECONDS", 1.0)
    monkeypatch.setattr(lookout, "RETRY_SECONDS", 0.1)
    with anyio.from_thread.start_blocking_portal() as portal:
        made = portal.call(Watcher, engine, portal)
        watching = portal.start_task_soon(made.lookout.watch, made.ring)
        yield made
        watching.cancel()


def look(watcher: Watcher) -> MosaicError | None:
    """Look once; return what stood in the way."""
    try:
        watcher.portal.call(watcher.look)
    except MosaicError as error:
        return error
    return None


def started(engine: OwnEngine) -> tuple[str, int]:
    """Start a container of the Device's, and return its name and its first process."""
    name = engine("run", "--detach", "--network", "none", "--label", LABEL, BASE, "sleep", "600").strip()
    return name, int(engine("inspect", "--format", "{{.State.Pid}}", name))


def test_an_engine_that_hangs_stops_no_app_and_is_seen_again_when_it_goes_on(
    engine: OwnEngine, watcher: Watcher
) -> None:
    name, process = started(engine)
    eventually(lambda: look(watcher) is None and watcher.running() == 1)

    with engine.hanging():
        refused = look(watcher)
        assert refused is not None and refused.code == "engine-silent"
        assert is_alive(process)

    eventually(lambda: look(watcher) is None and watcher.running() == 1)
    before = watcher.rung
    engine("rm", "--force", name)
    eventually(lambda: watcher.rung > before)
    eventually(lambda: look(watcher) is None and watcher.running() == 0)


def test_an_engine_that_dies_is_watched_again_when_it_is_back(engine: OwnEngine, watcher: Watcher) -> None:
    eventually(lambda: look(watcher) is None)

    engine.kill()
    refused = look(watcher)
    engine.start()

    assert refused is not None and refused.code == "engine-silent"
    eventually(lambda: look(watcher) is None and watcher.lookout.problem is None)
    before = watcher.rung
    name, _ = started(engine)
    eventually(lambda: watcher.rung > before)
    eventually(lambda: look(watcher) is None and watcher.running() == 1)
    engine("rm", "--force", name)
