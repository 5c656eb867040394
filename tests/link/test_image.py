"""The image of a link, as `script/images` built it: by both of its names, without any privilege."""

import json
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from mosaic.core.compose_keys import is_link_image
from support.waiting import eventually

NAMES = ("mosaic/link:latest", "fractalnetworks/link:latest")

pytestmark = pytest.mark.engine


def docker(*words: str, code: int = 0) -> str:
    """Run one command of the engine, and return all that it printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


@pytest.fixture
def name() -> Iterator[str]:
    made = f"link-{uuid.uuid4().hex[:8]}"
    yield made
    subprocess.run(["docker", "rm", "--force", made], capture_output=True, timeout=120, check=False)


def test_both_names_are_the_same_image_and_may_run_as_a_link() -> None:
    assert len({docker("image", "inspect", "--format", "{{.Id}}", each) for each in NAMES}) == 1
    assert all(is_link_image(each) for each in NAMES)


def test_on_the_lan_it_is_healthy_without_any_privilege(name: str) -> None:
    told = ("--env", "LINK=notes.localhost", "--env", "TOKEN=s3cret", "--env", "EXPOSE=app:80")
    docker("run", "--detach", "--cap-drop", "ALL", "--name", name, *told, NAMES[1])
    eventually(lambda: docker("inspect", "--format", "{{.State.Health.Status}}", name) == "healthy")
    state = json.loads(docker("inspect", "--format", "{{json .State.Health.Log}}", name))
    assert state[-1]["Output"].strip() == "LAN mode: plain HTTP at :80 to http://app:80"
    assert "s3cret" not in docker("logs", name)
    docker("stop", "--time", "30", name)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"


def test_a_mistake_ends_it_with_one_sentence_and_the_code_that_says_so(name: str) -> None:
    said = docker("run", "--name", name, "--env", "EXPOSE=nginx", NAMES[0], code=3)
    assert said.splitlines()[0] == "error: 'nginx' in EXPOSE: the port is missing: write service:port"
