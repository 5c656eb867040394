"""What the next container of a Device is given."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.device_container import JOIN, PASSPHRASE
from mosaic.core.successor import Json, successor

OLD_IMAGE: dict[str, Json] = {
    "Config": {
        "Env": ["PATH=/code/bin", "MOSAIC_CONTAINER=1"],
        "Entrypoint": ["mosaic"],
        "Cmd": ["device", "run"],
        "Labels": {"made-by": "somebody"},
    }
}
WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=10)


def container(*, env: list[str], **config: Json) -> dict[str, Json]:
    """Return a container as the engine tells it, of the old image."""
    inherited: dict[str, Json] = {
        "Hostname": "attic",
        "Env": [*env, "PATH=/code/bin", "MOSAIC_CONTAINER=1"],
        "Entrypoint": ["mosaic"],
        "Cmd": ["device", "run"],
        "Image": "mosaic/device:1",
        "Labels": {"made-by": "somebody", "mosaic.part": "device"},
        **config,
    }
    host: dict[str, Json] = {"Binds": ["/a:/a"], "CapDrop": ["ALL"], "RestartPolicy": {"Name": "no"}}
    return {"Config": inherited, "HostConfig": host}


@given(st.lists(st.tuples(WORDS, WORDS)), WORDS, WORDS)
def test_what_its_owner_gave_it_stays_and_what_it_had_used_up_goes(
    given: list[tuple[str, str]], join: str, passphrase: str
) -> None:
    own = [f"MINE_{name}={value}" for name, value in given]
    made = successor(
        container(env=[f"{JOIN}={join}", *own, f"{PASSPHRASE}={passphrase}"]), OLD_IMAGE, "sha256:2", restart="always"
    )
    assert made["Env"] == own
    assert made["Labels"] == {"mosaic.part": "device"}
    assert made["Image"] == "sha256:2"
    assert made["HostConfig"] == {"Binds": ["/a:/a"], "CapDrop": ["ALL"], "RestartPolicy": {"Name": "always"}}


def test_what_came_from_the_image_before_comes_from_the_next_one() -> None:
    made = successor(container(env=[]), OLD_IMAGE, "sha256:2", restart="always")
    assert not {"Cmd", "Entrypoint", "Hostname"} & made.keys()


def test_a_command_of_its_owners_own_stays() -> None:
    words: list[Json] = ["device", "run", "--driver", "mosaic-attic"]
    made = successor(container(env=[], Cmd=words), OLD_IMAGE, "sha256:2", restart="always")
    assert made["Cmd"] == words
