"""What the container of a Device's own engine is given."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.engine_container import EngineContainer, daemon, enabled_controllers, plugin_folder, remounts, run

MACHINES = "unix:///var/run/docker.sock"
ENGINE = EngineContainer(
    "mosaic-engine", "mosaic/engine:1", "/state/engine", ("/state/storage/pool", "/state/device/apps")
)


def given_with(option: str) -> list[str]:
    words = run(ENGINE, engine=MACHINES)
    return [after for word, after in pairwise(words) if word == option]


def test_it_is_never_privileged_and_has_two_capabilities_beside_the_usual_ones() -> None:
    words = run(ENGINE, engine=MACHINES)
    assert "--privileged" not in words
    assert given_with("--cap-drop") == ["ALL"]
    usual = {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }  # fmt: skip
    assert set(given_with("--cap-add")) - usual == {"NET_ADMIN", "SYS_ADMIN"}


def test_it_sees_neither_the_machines_engine_nor_its_network_nor_its_devices() -> None:
    words = run(ENGINE, engine=MACHINES)
    # Only the client that starts it is told where the machine's engine is.
    assert [word for word in words if "docker.sock" in word] == [MACHINES]
    assert given_with("--network") == ["bridge"]
    assert "--device" not in words
    assert "--pid" not in words


def test_it_is_given_the_volumes_the_packages_and_its_own_folder_and_nothing_else_of_the_state() -> None:
    assert given_with("--mount") == [
        "type=bind,source=/state/engine,target=/state/engine",
        "type=bind,source=/state/storage/pool,target=/state/storage/pool",
        "type=bind,source=/state/device/apps,target=/state/device/apps",
        f"type=bind,source={plugin_folder('/state/engine')},target=/run/docker/plugins",
    ]


def test_a_comma_in_a_folders_name_adds_no_option() -> None:
    words = run(EngineContainer("e", "i", "/a,readonly", ()), engine=MACHINES)
    assert 'type=bind,"source=/a,readonly","target=/a,readonly"' in words


def test_the_engine_inside_keeps_what_must_last_in_its_folder_and_the_rest_in_the_container() -> None:
    words = daemon("/state/engine")
    assert words[words.index("--data-root") + 1] == "/state/engine/data"
    assert words[words.index("--exec-root") + 1].startswith("/run/")


def test_only_control_groups_that_cannot_be_written_are_mounted_anew() -> None:
    table = (
        "overlay / overlay rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup ro,nosuid,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/pids cgroup rw,nosuid,pids 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 ro,nosuid 0 0\n"
        "proc /proc/sys proc ro,nosuid 0 0\n"
    )
    assert [words[-1] for words in remounts(table)] == ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]


@given(st.text(max_size=200))
def test_any_table_of_mounts_can_be_read(table: str) -> None:
    assert all(words[0] == "mount" for words in remounts(table))


def test_all_controllers_are_handed_on() -> None:
    assert enabled_controllers("cpu memory pids\n") == "+cpu +memory +pids"
