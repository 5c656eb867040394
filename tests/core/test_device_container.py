"""A Device's containers are given what is written down, by the line, by the compose file and by the unit alike."""

import itertools
import json
import shlex
from dataclasses import replace
from functools import partial

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.device_container import (
    JOIN,
    KEEPER_LABEL,
    PASSPHRASE,
    PASSPHRASE_FILE,
    STORAGE_CAPABILITIES,
    Chosen,
    Container,
    PathUnfit,
    device,
    fingerprint,
    front,
    image_of,
    run_words,
    storage,
    with_values,
    without_passed,
)
from mosaic.core.device_files import compose_file, image_file, unit
from mosaic.core.errors import REFUSED_CODE

IMAGE = image_of("1.0")
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
PATHS = st.builds(
    lambda parts: "/" + "/".join(parts), st.lists(st.text("ab$%- ;#é", min_size=1), min_size=1, max_size=3)
)
CHOSEN = st.builds(
    Chosen,
    image=st.just(IMAGE),
    name=NAMES,
    state=PATHS,
    driver=st.sampled_from(["mosaic", "mosaic-attic"]),
    passphrase_file=st.none() | PATHS,
    passed=st.sampled_from([(), (JOIN,), (JOIN, PASSPHRASE)]),
    has_machine_id=st.booleans(),
    own_engine=st.booleans(),
)
FRONTS = st.builds(front, image=st.just(IMAGE), state=PATHS, driver=st.just("mosaic"))
CONTAINERS = (
    st.builds(device, CHOSEN)
    | FRONTS
    | st.builds(
        storage,
        image=st.just(IMAGE),
        state=PATHS,
        driver=st.just("mosaic"),
        has_machine_id=st.booleans(),
        on_folders=st.booleans(),
        has_specs=st.booleans(),
    )
)


def after(words: list[str], option: str) -> list[str]:
    """Return the words that follow each `option`."""
    return [value for name, value in itertools.pairwise(words) if name == option]


def test_the_usual_line_is_this_one() -> None:
    assert shlex.join(run_words(device(Chosen(IMAGE, name="attic")))) == (
        "docker run --detach --name mosaic --restart unless-stopped --stop-timeout 60 --network host --cap-drop ALL "
        "--security-opt no-new-privileges --security-opt label=disable "
        "--volume /var/run/docker.sock:/var/run/docker.sock --volume /var/lib/mosaic:/var/lib/mosaic "
        "--volume /run/docker/plugins:/tmp/plugins:ro "
        "--mount type=bind,source=/etc/machine-id,target=/etc/machine-id,readonly "
        "--env MOSAIC_NAME=attic --env MOSAIC_JOIN --env MOSAIC_PASSPHRASE "
        "--label mosaic.part=device --label mosaic.state=/var/lib/mosaic mosaic/device:1.0"
    )


def test_the_lan_front_is_given_its_folder_and_nothing_else() -> None:
    made = front(image="sha256:ab", state="/srv/mosaic", driver="mosaic-attic")
    assert shlex.join(run_words(replace(made, labels=()))) == (
        "docker run --detach --name mosaic-attic-front --restart unless-stopped --stop-timeout 5 --network host "
        "--cap-drop ALL --security-opt no-new-privileges --security-opt label=disable "
        "--volume /srv/mosaic/front:/srv/mosaic/front sha256:ab up-front --folder /srv/mosaic/front"
    )


def test_the_storage_daemon_is_started_by_this_line() -> None:
    made = storage(image="sha256:ab", state="/srv/mosaic", driver="mosaic", has_machine_id=True)
    assert shlex.join(run_words(replace(made, labels=()))) == (
        "docker run --detach --name mosaic-storage --restart unless-stopped --stop-timeout 60 --network host "
        "--pid host --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add FSETID "
        "--cap-add MKNOD --cap-add SETFCAP --cap-add SYS_ADMIN --cap-add SYS_PTRACE "
        "--security-opt no-new-privileges --security-opt label=disable --security-opt apparmor=unconfined "
        "--device /dev/loop-control --device-cgroup-rule 'b 7:* rmw' "
        "--volume /srv/mosaic:/srv/mosaic:rshared --volume /run/docker/plugins:/tmp/plugins "
        "--volume /etc/docker/plugins:/tmp/specs "
        "--mount type=bind,source=/etc/machine-id,target=/etc/machine-id,readonly "
        "sha256:ab storage serve --state /srv/mosaic/storage --driver mosaic --plugins /tmp/plugins "
        "--specs /tmp/specs"
    )


@given(CONTAINERS)
def test_no_container_is_ever_privileged(made: Container) -> None:
    words = run_words(made)
    assert "--privileged" not in words
    assert after(words, "--cap-drop") == ["ALL"]
    assert after(words, "--cap-add") == list(made.capabilities)
    assert set(made.capabilities) <= {*STORAGE_CAPABILITIES, "NET_BIND_SERVICE"}
    assert not any("seccomp" in one for one in made.security)


@given(CONTAINERS)
def test_a_container_is_seen_to_come_from_the_same_paths_inside_and_outside(made: Container) -> None:
    state = dict(made.labels)["mosaic.state"]
    state += "/front" if dict(made.labels)["mosaic.part"] == "front" else ""
    assert any((mount.source, mount.target) == (state, state) for mount in made.mounts)


@given(CONTAINERS)
def test_the_compose_file_gives_what_the_line_gives(made: Container) -> None:
    read = yaml.safe_load(compose_file(made).replace("$$", "$"))["services"]["device"]
    words = run_words(made)
    assert read["image"] == made.image
    assert read["network_mode"] == "host"
    assert read.get("pid") == ("host" if made.sees_processes else None)
    assert read["cap_drop"] == after(words, "--cap-drop")
    assert read.get("cap_add", []) == after(words, "--cap-add")
    assert [one.replace(":", "=", 1) for one in read["security_opt"]] == after(words, "--security-opt")
    assert read.get("device_cgroup_rules", []) == after(words, "--device-cgroup-rule")
    assert read.get("environment", []) == after(words, "--env")
    assert tuple(read.get("command", [])) == made.command
    assert [(one["source"], one["target"]) for one in read["volumes"]] == [(m.source, m.target) for m in made.mounts]
    assert "privileged" not in read


@given(CONTAINERS)
def test_the_unit_runs_the_same_words_and_lets_systemd_restart_them(made: Container) -> None:
    text = unit(made)
    line = next(one for one in text.splitlines() if one.startswith("ExecStart="))
    plain = line.removeprefix("ExecStart=").replace("${MOSAIC_IMAGE}", made.image)
    words = shlex.split(plain.replace("$$", "$").replace("%%", "%"))
    file = image_file(made)
    wanted = run_words(replace(made, restart="no", labels=(*made.labels, (KEEPER_LABEL, file))), detached=False)
    assert words == ["/usr/bin/docker", "run", "--rm", *wanted[2:]]
    # What a file says counts more than what the unit says itself.
    assert f'Environment="MOSAIC_IMAGE={made.image}"' in text.splitlines()
    assert f"EnvironmentFile=-{file}" in text.splitlines()


def test_the_unit_does_not_start_again_what_was_refused_for_good() -> None:
    lines = unit(device(Chosen(IMAGE))).splitlines()
    assert "Restart=always" in lines
    assert f"RestartPreventExitStatus={REFUSED_CODE}" in lines


@given(CHOSEN, st.text(min_size=1), st.text(min_size=1))
def test_a_secret_is_in_no_word_until_somebody_puts_it_there(chosen: Chosen, join: str, passphrase: str) -> None:
    words = run_words(device(chosen))
    said = with_values(words, {JOIN: join, PASSPHRASE: passphrase})
    changed = [(before, now) for before, now in zip(words, said, strict=True) if before != now]
    values = {JOIN: join, PASSPHRASE: passphrase}
    assert changed == [(name, f"{name}={values[name]}") for name in chosen.passed]


def test_in_isolated_mode_the_device_may_open_low_ports_and_does_not_see_the_machines_drivers() -> None:
    usual, isolated = device(Chosen(IMAGE)), device(Chosen(IMAGE, own_engine=True))
    assert usual.capabilities == ()
    assert isolated.capabilities == ("NET_BIND_SERVICE",)
    assert ("MOSAIC_ENGINE", "own") in isolated.environment
    assert {mount.target for mount in usual.mounts} - {mount.target for mount in isolated.mounts} == {"/tmp/plugins"}


def test_in_isolated_mode_the_machines_engine_does_not_find_the_volume_driver() -> None:
    made = storage(image=IMAGE, state="/srv", driver="mosaic", has_machine_id=True, plugins="/srv/engine/plugins")
    assert made.command[-1] == "/srv/engine/plugins"
    assert not any("/run/docker" in mount.source for mount in made.mounts)


def test_the_storage_daemon_is_told_how_large_a_pool_was_chosen_where_it_has_an_image() -> None:
    made = partial(storage, image=IMAGE, state="/srv", driver="mosaic", has_machine_id=True, pool_gigabytes=20)
    assert made().command[-2:] == ("--pool-gigabytes", "20")
    assert "--pool-gigabytes" not in made(on_folders=True).command


def test_the_passphrase_may_be_a_file_of_the_machine() -> None:
    made = device(Chosen(IMAGE, passphrase_file="/root/passphrase", passed=(JOIN,)))
    mount = f"type=bind,source=/root/passphrase,target={PASSPHRASE_FILE},readonly"
    assert mount in after(run_words(made), "--mount")


def test_a_device_that_has_joined_needs_no_secret() -> None:
    assert after(run_words(without_passed(device(Chosen(IMAGE)), [JOIN, PASSPHRASE])), "--env") == []


def test_a_terminal_is_asked_for_when_a_person_is_to_be_asked() -> None:
    assert run_words(device(Chosen(IMAGE)), terminal=True)[:4] == ["docker", "run", "--interactive", "--tty"]


def test_plain_folders_need_no_device_and_share_no_mount() -> None:
    made = storage(image=IMAGE, state="/srv", driver="mosaic", has_machine_id=True, on_folders=True)
    assert made.devices == made.device_rules == ()
    assert not any(mount.is_shared for mount in made.mounts)
    assert made.command[-2:] == ("--scan", "/srv/storage/folders")


@given(CONTAINERS)
def test_what_a_container_is_given_has_a_name_that_changes_with_it(made: Container) -> None:
    assert fingerprint(made) == fingerprint(replace(made, image="another", labels=()))
    assert fingerprint(made) != fingerprint(replace(made, capabilities=(*made.capabilities, "NET_ADMIN")))


@pytest.mark.parametrize("path", ["", "relative", "/", "/a:b", "/a,b", '/a"b', "/a/../b", "/a\nb", "/a\0b", "/a\\b"])
def test_a_path_that_the_engine_could_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(PathUnfit):
        device(Chosen(IMAGE, state=path))
    with pytest.raises(PathUnfit):
        device(Chosen(IMAGE, passphrase_file=path))


def test_a_name_with_quotes_stays_one_value() -> None:
    made = device(Chosen(IMAGE, name='a "b" $c\' %d'))
    read = yaml.safe_load(compose_file(made))["services"]["device"]["environment"][0]
    assert read == 'MOSAIC_NAME=a "b" $$c\' %d'
    assert json.dumps('a "b" $$c\' %d')[1:-1] in compose_file(made)
