"""What the container of a Device's own engine is given beside a Device in a container."""

import itertools
from dataclasses import replace

from mosaic.core import engine_container
from mosaic.core.contained_engine import standing
from mosaic.core.device_container import GIVEN_LABEL, fingerprint, run_words
from mosaic.core.engine_container import EngineContainer

ENGINE = EngineContainer(
    "mosaic-engine", "mosaic/engine:1", "/state/engine", ("/state/storage/pool", "/state/device/apps")
)
MADE = standing(ENGINE, state="/state", pool="/state/storage/pool")
WITH_A_VALUE = {"--cap-add", "--cap-drop", "--security-opt", "--sysctl", "--network", "--stop-timeout"}


def given(words: list[str]) -> list[tuple[str, str]]:
    return sorted(pair for pair in itertools.pairwise(words) if pair[0] in WITH_A_VALUE)


def test_it_is_given_what_the_supervisor_of_a_host_gives() -> None:
    words = run_words(MADE)
    on_host = list(engine_container.run(ENGINE, engine="unix:///var/run/docker.sock"))
    assert given(words) == given(on_host)
    assert words[-2:] == on_host[-2:]
    assert [(mount.source, mount.target) for mount in MADE.mounts] == list(ENGINE.mounts)
    assert "--privileged" not in words


def test_the_machines_engine_starts_it_again_and_then_its_numbers_of_processes_are_forgotten() -> None:
    words = run_words(MADE)
    assert ("--restart", "unless-stopped") in itertools.pairwise(words)
    assert ("--tmpfs", "/run") in itertools.pairwise(words)
    assert engine_container.daemon("/state/engine")[-3].startswith("/run/")


def test_it_sees_a_pool_that_is_mounted_after_it_was_started() -> None:
    assert ("--volume", "/state/storage/pool:/state/storage/pool:rslave") in itertools.pairwise(run_words(MADE))
    plain = standing(ENGINE, state="/state", pool=None)
    assert not any("rslave" in word for word in run_words(plain))
    assert fingerprint(plain) != fingerprint(MADE)


def test_it_is_known_by_its_labels() -> None:
    assert dict(MADE.labels) == {
        "mosaic.part": "engine", "mosaic.state": "/state", GIVEN_LABEL: fingerprint(replace(MADE, labels=())),
    }  # fmt: skip
