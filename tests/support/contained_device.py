"""A Device in containers on the machine's real engine, started by the words that a person pastes."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mosaic import __version__
from mosaic.core.device_container import (
    MACHINE_ID,
    SPECS_OUTSIDE,
    Chosen,
    device,
    front_name,
    image_of,
    run_words,
    storage_name,
)
from mosaic.core.engine_container import container_name
from support.absent_drivers import stand_aside, stand_in
from support.at_engine import docker
from support.own_engine import unmount_beneath
from support.ran import Json

IMAGE = os.environ.get("MOSAIC_TEST_DEVICE_IMAGE", image_of(__version__))
"""What `script/images` makes of this source."""

DRIVER = "mosaic-ship"
"""One name for all: an engine never forgets a driver, and waits for each that has gone."""


@dataclass
class ContainedDevice:
    """`state` is its folder; `container` the name of the Device's own container."""

    state: Path
    container: str = "mosaic-ship"
    driver: str = DRIVER
    secrets: Mapping[str, str] = field(default_factory=dict)
    own_engine: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    """More of its environment, as words of the line."""

    @property
    def engine(self) -> str:
        """The name of the container of its own engine, in isolated mode."""
        return container_name(self.driver)

    @property
    def storage(self) -> str:
        """The name of the storage daemon's container."""
        return storage_name(self.driver)

    @property
    def front(self) -> str:
        """The name of the LAN front's container."""
        return front_name(self.driver)

    def chosen(self, **changed: str) -> Chosen:
        """Return what its owner chose."""
        return Chosen(
            image=IMAGE,
            state=str(self.state),
            driver=self.driver,
            container=self.container,
            passed=tuple(self.secrets),
            has_machine_id=Path(MACHINE_ID).is_file(),
            name=changed.get("name", ""),
            own_engine=self.own_engine,
        )

    def paste(self, **changed: str) -> None:
        """Run the line, with the secrets in its environment, and a small pool: several of 8 GiB would fill a disk."""
        made = device(self.chosen(**changed))
        environment = (*made.environment, *self.settings.items())
        command = (*(made.command or ("device", "run")), "--pool-gigabytes", "1")
        words = run_words(replace(made, environment=environment, command=command))
        done = subprocess.run(
            words, env={**os.environ, **self.secrets}, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    def take_away(self) -> None:
        """Remove the Device's container; its state, its storage daemon and the apps stay."""
        docker("rm", "--force", self.container)

    def uninstall(self, *options: str) -> str:
        """End all of it by the line of docs/device.md, and return what was said."""
        binds = ["/var/run/docker.sock:/var/run/docker.sock", f"{self.state}:{self.state}:rslave"]
        binds += ["/run/docker/plugins:/tmp/plugins"]
        words = [word for bind in binds for word in ("--volume", bind)]
        words += ["--network", "host", "--env", f"MOSAIC_STATE={self.state}", IMAGE, "up", "--uninstall"]
        done = subprocess.run(["docker", "run", "--rm", *words, *options], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def parts(self) -> list[str]:
        """Return the names of all its containers."""
        return docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"label=mosaic.state={self.state}").split()

    def inspected(self, container: str) -> Json:
        """Return what the engine says of a container."""
        return json.loads(docker("inspect", container))[0]

    def volumes(self) -> list[str]:
        """Return the Docker volumes of its apps. The engine would wait for a driver that was never started."""
        if not docker("ps", "--quiet", "--filter", f"name=^{self.storage}$"):
            return []
        return docker("volume", "ls", "--quiet", "--filter", f"driver={self.driver}").split()

    def told(self) -> str:
        """Return what the containers said, for a failure's message."""
        parts = []
        for one in (self.container, self.storage, self.front, *((self.engine,) if self.own_engine else ())):
            done = subprocess.run(["docker", "logs", "--tail", "40", one], capture_output=True, text=True, timeout=60)
            parts.append(f"--- {one}\n{done.stdout}{done.stderr}")
        return "\n".join(parts)


@contextmanager
def contained_device(
    state: Path, *, shared: bool = True, called: str = "mosaic-ship", own_engine: bool = False
) -> Iterator[ContainedDevice]:
    """Yield one that nobody has started; its containers, its apps' and its mounts are gone at the end.

    With `shared` its state folder passes mounts on, as every folder of a
    machine with systemd does; without it passes on none. `called` is the name of its container and of its driver, and
    with `own_engine` it is in isolated mode.
    """
    assert docker("image", "ls", "--quiet", IMAGE), "script/images has not built the Device's image"
    state.mkdir(parents=True)
    mount("--bind", str(state), str(state))
    mount("--make-rshared" if shared else "--make-private", str(state))
    made = ContainedDevice(state, container=called, driver=called, own_engine=own_engine)
    stand_aside(made.driver)
    try:
        yield made
    finally:
        # First the one that would start another one.
        for name in (f"{made.container}-upgrade", made.container, f"{made.container}-before", made.front):
            _remove(["--filter", f"name=^{name}$"])
        names = [] if own_engine else made.volumes()
        # In order, so that it lets go of its apps' volumes, or the storage daemon would keep the pool.
        subprocess.run(["docker", "stop", made.engine], capture_output=True, timeout=120, check=False)
        _remove(["--filter", f"name=^{made.engine}$"])
        for name in names:
            _remove(["--filter", f"volume={name}"])
        # It lets the pool go when nothing uses it.
        subprocess.run(["docker", "stop", made.storage], capture_output=True, timeout=120, check=False)
        _remove(["--filter", f"name=^{made.storage}$"])
        (Path(SPECS_OUTSIDE) / f"{made.driver}.json").unlink(missing_ok=True)
        unmount_beneath(state)
        subprocess.run(["umount", str(state)], timeout=60, check=True)
        # In isolated mode the machine's engine never heard of the driver.
        if not own_engine:
            stand_in(made.driver)
        for name in names:
            docker("volume", "rm", "--force", name)


def _remove(filters: list[str]) -> None:
    found = docker("ps", "--all", "--quiet", *filters).split()
    if found:
        docker("rm", "--force", *found)


def mount(*words: str) -> None:
    """Run `mount`."""
    subprocess.run(["mount", *words], check=True, timeout=60)
