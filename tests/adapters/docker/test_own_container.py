"""A process knows its own container by what the engine mounts into it, whatever its host name is."""

from pathlib import Path

import pytest

from mosaic.adapters.docker.api import Api
from mosaic.adapters.docker.own_container import ContainerUnrecognised, own_container, own_id
from mosaic.adapters.shared_mount import is_shared

ID = "ab" * 32
ROOT = "626 588 0:52 / / rw,relatime master:231 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X\n"
HOST_NAME = (
    f"641 626 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw,discard\n"
)
ELSEWHERE = (
    f"641 626 254:0 /srv/engine/containers/{ID}/userdata/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
)


@pytest.mark.parametrize("line", [HOST_NAME, ELSEWHERE])
def test_the_id_is_read_from_the_mount_of_the_host_name(line: str) -> None:
    assert own_id(ROOT + line) == ID


@pytest.mark.parametrize("table", ["", ROOT, ROOT + HOST_NAME.replace("/etc/hostname", "/srv/hostname")])
def test_a_process_outside_of_containers_is_in_none(table: str, tmp_path: Path) -> None:
    assert own_id(table) is None
    (tmp_path / "mountinfo").write_text(table)
    with pytest.raises(ContainerUnrecognised):
        own_container(Api(f"unix://{tmp_path}/none.sock"), table=tmp_path / "mountinfo")


def test_a_mount_is_shared_when_the_innermost_one_above_a_folder_says_so(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 254:0 / / rw - ext4 /dev/vda rw\n"
        "2 1 254:0 /srv/a\\040b /srv/a\\040b rw shared:7 - ext4 /dev/vda rw\n"
        "3 2 254:0 /srv/a\\040b/c /srv/a\\040b/c rw master:7 - ext4 /dev/vda rw\n"
    )
    assert is_shared(Path("/srv/a b/storage"), table=table)
    assert not is_shared(Path("/srv/a b/c/storage"), table=table)
    assert not is_shared(Path("/srv/storage"), table=table)
