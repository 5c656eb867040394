"""What is done to the containers of a Device that is replaced; a few values stand for the engine's."""

import pytest

from mosaic.adapters.docker import succession
from mosaic.adapters.docker.api import Api, EngineRefused
from mosaic.adapters.docker.succession import SeenContainer
from mosaic.cli.up.container_switch import ID, NAME, RESTART, ContainerSwitch
from mosaic.core.device_upgrade import Journal, Program

NOWHERE = Api("unix:///nowhere")
JOURNAL = Journal(
    "c",
    "sha256:1",
    "container",
    Program("1", "sha256:old"),
    Program("2", "sha256:new"),
    stage="kept",
    notes={NAME: "mosaic", ID: "1" * 64, RESTART: "always"},
)


def test_the_new_one_is_started_again_when_the_one_before_was_cleared_away(monkeypatch: pytest.MonkeyPatch) -> None:
    new = SeenContainer("2" * 64, "mosaic", "sha256:new", "ended", "always", False, 0, {}, False, 60)
    started: list[str] = []
    monkeypatch.setattr(succession, "see", lambda _, name: new if name == "mosaic" else None)
    monkeypatch.setattr(succession, "start", lambda _, name: started.append(name))
    ContainerSwitch(NOWHERE).start(JOURNAL, "new")
    assert started == [new.id]


def test_an_image_that_went_meanwhile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api, "get", lambda *_: b"{}")
    monkeypatch.setattr(Api, "post", lambda *_, **__: b"")
    with pytest.raises(EngineRefused, match="no image sha256:new"):
        succession.create_like(NOWHERE, "1" * 64, image="sha256:new", name="mosaic", restart="always")
