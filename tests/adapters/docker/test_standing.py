"""A container stands as it was written down: left alone, started again, or made anew. A real engine."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters.docker.api import Api, EngineRefused
from mosaic.adapters.docker.standing import (
    ContainerNameTaken,
    NotShared,
    end,
    parts,
    remove,
    runs_as,
    stand,
    stand_unless_running,
)
from mosaic.core.device_container import (
    ENGINE_SOCKET,
    GIVEN_LABEL,
    MACHINE_ID,
    PART_LABEL,
    STATE_LABEL,
    Container,
    Mount,
    fingerprint,
    run_words,
    storage,
)
from support.at_engine import BASE, docker
from support.own_engine import unmount_beneath
from support.ran import Json

pytestmark = pytest.mark.engine

NAME = "mosaic-test-standing"
ENGINE = Api(f"unix://{ENGINE_SOCKET}")


@pytest.fixture
def wanted(tmp_path: Path) -> Iterator[Container]:
    """A container of the base image that waits."""
    image = json.loads(docker("image", "inspect", BASE))[0]["Id"]
    made = labelled(Container(NAME, image, ("sleep", "600"), mounts=(Mount(str(tmp_path), "/here"),), stop_seconds=1))
    yield made
    subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, timeout=60, check=False)


def labelled(made: Container, state: str = "/var/lib/mosaic") -> Container:
    return replace(made, labels=((PART_LABEL, "storage"), (STATE_LABEL, state), (GIVEN_LABEL, fingerprint(made))))


def seen(name: str = NAME) -> Json:
    return json.loads(docker("inspect", name))[0]


def test_one_that_is_missing_is_made_and_one_that_is_right_is_left_alone(wanted: Container) -> None:
    assert stand(ENGINE, wanted)
    first = seen()
    assert first["State"]["Running"]
    assert not stand(ENGINE, wanted)
    assert seen()["Id"] == first["Id"]


def test_one_that_ended_is_started_again(wanted: Container) -> None:
    stand(ENGINE, wanted)
    first = seen()["Id"]
    docker("kill", NAME)
    assert not stand(ENGINE, wanted)
    assert seen()["State"]["Running"]
    assert seen()["Id"] == first


def test_one_that_was_given_something_else_is_made_anew(wanted: Container) -> None:
    stand(ENGINE, wanted)
    first = seen()["Id"]
    changed = labelled(replace(wanted, capabilities=("CHOWN",)))
    assert not stand(ENGINE, changed, also=[wanted])
    assert stand(ENGINE, changed)
    assert seen()["Id"] != first
    assert capabilities(seen()) == ["CHOWN"]


def test_one_that_must_not_end_is_left_as_it_is_while_it_runs_and_made_anew_when_it_has_ended(
    wanted: Container,
) -> None:
    assert stand_unless_running(ENGINE, wanted)
    first = seen()["Id"]
    changed = labelled(replace(wanted, capabilities=("CHOWN",)))
    assert not stand_unless_running(ENGINE, changed)
    assert (runs_as(ENGINE, wanted), runs_as(ENGINE, changed)) == (True, False)
    docker("kill", NAME)
    assert runs_as(ENGINE, wanted) is None
    assert stand_unless_running(ENGINE, wanted)
    assert seen()["Id"] == first
    docker("kill", NAME)
    assert stand_unless_running(ENGINE, changed)
    assert seen()["Id"] != first
    assert capabilities(seen()) == ["CHOWN"]


def test_without_its_image_none_is_made_and_that_is_said(wanted: Container) -> None:
    with pytest.raises(EngineRefused, match="no image mosaic/nowhere:0"):
        stand(ENGINE, labelled(replace(wanted, image="mosaic/nowhere:0")))


def test_the_containers_of_a_device_are_found_by_its_state_folder_and_can_be_ended(wanted: Container) -> None:
    made = labelled(wanted, "/srv/test-standing")
    stand(ENGINE, made)
    (found,) = parts(ENGINE, "/srv/test-standing")
    assert (found.id, found.part) == (seen()["Id"], "storage")
    assert parts(ENGINE, "/srv/test-standin") == []
    end(ENGINE, found)
    end(ENGINE, found)
    assert parts(ENGINE, "/srv/test-standing") == []


def test_somebody_elses_container_is_left_alone(wanted: Container) -> None:
    docker("run", "--detach", "--name", NAME, BASE, "sleep", "600")
    first = seen()["Id"]
    with pytest.raises(ContainerNameTaken):
        stand(ENGINE, wanted)
    assert seen()["Id"] == first


def test_the_container_of_another_device_is_left_alone(wanted: Container) -> None:
    stand(ENGINE, labelled(wanted, "/srv/other"))
    first = seen()["Id"]
    with pytest.raises(ContainerNameTaken):
        stand(ENGINE, wanted)
    assert seen()["Id"] == first


def test_where_a_mount_cannot_be_shared_nothing_is_left_of_the_try(wanted: Container, tmp_path: Path) -> None:
    folder = tmp_path / "private"
    folder.mkdir()
    subprocess.run(["mount", "--bind", str(folder), str(folder)], timeout=60, check=True)
    subprocess.run(["mount", "--make-private", str(folder)], timeout=60, check=True)
    try:
        sharing = labelled(replace(wanted, mounts=(Mount(str(folder), "/here", is_shared=True, is_made=True),)))
        with pytest.raises(NotShared, match="private"):
            stand(ENGINE, sharing)
        assert docker("ps", "--all", "--quiet", "--filter", f"name=^{NAME}$") == ""
    finally:
        unmount_beneath(tmp_path)


def test_one_that_is_removed_may_be_removed_again(wanted: Container) -> None:
    stand(ENGINE, wanted)
    remove(ENGINE, wanted)
    remove(ENGINE, wanted)
    assert docker("ps", "--all", "--quiet", "--filter", f"name=^{NAME}$") == ""


def test_the_engine_makes_of_it_what_the_printed_line_would_have_made(wanted: Container, tmp_path: Path) -> None:
    given = storage(
        image=wanted.image, state=str(tmp_path), driver="x", has_machine_id=Path(MACHINE_ID).exists(), on_folders=True
    )
    asked = labelled(replace(given, name=NAME, command=("sleep", "600"), stop_seconds=1))
    stand(ENGINE, asked)
    made = seen()
    docker("rm", "--force", NAME)
    subprocess.run(run_words(asked), capture_output=True, timeout=60, check=True)
    pasted = seen()
    for key in ("CapDrop", "SecurityOpt", "NetworkMode", "PidMode", "Privileged", "RestartPolicy"):
        assert made["HostConfig"][key] == pasted["HostConfig"][key], key
    assert capabilities(made) == capabilities(pasted)
    assert places(made) == places(pasted)
    assert made["Config"]["Labels"] == pasted["Config"]["Labels"]


def capabilities(of: Json) -> list[str]:
    return sorted(str(one).removeprefix("CAP_") for one in of["HostConfig"]["CapAdd"])


def places(of: Json) -> list[tuple[str, str, bool, str]]:
    return sorted((one["Source"], one["Destination"], one["RW"], one["Propagation"]) for one in of["Mounts"])
