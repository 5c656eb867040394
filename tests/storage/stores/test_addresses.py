"""Where a store is, and whether that is this machine."""

from pathlib import Path

import pytest

from mosaic.adapters.s3.address import parse_key
from mosaic.adapters.s3.location import S3Location
from mosaic.core.errors import Refused
from mosaic.storage.stores.address import DeviceAddress, FolderAddress, parse_address
from mosaic.storage.stores.machine_of import is_own_host, lies_here

S3 = "s3://photos/mosaic/home?endpoint=https://s3.example.com&region=eu-1"
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:40 / /mnt/nas rw,relatime shared:1 - nfs4 nas.lan:/volume1 rw,vers=4.2
24 22 0:41 / /mnt/six rw - nfs4 [2001:db8::1]:/volume1 rw
25 22 0:42 / /mnt/share rw - cifs //nas.lan/backup rw
26 22 0:43 / /mnt/ssh rw - fuse.sshfs anna@nas.lan:/home/anna rw
27 22 8:17 / /mnt/usb rw - ext4 /dev/sdb1 rw
28 22 0:44 / /mnt/unknown rw - fuse.fancy fancy rw
29 23 8:33 / /mnt/nas/disk rw - ext4 /dev/sdc1 rw
30 22 0:45 / /mnt/with\\040space rw - nfs nas.lan:/a\\040b rw
31 22 0:46 / /mnt/own rw - nfs4 localhost:/export rw
"""


def test_an_address_names_a_folder_a_bucket_or_a_device() -> None:
    assert parse_address("file:///mnt/nas/my%20mosaic") == FolderAddress(Path("/mnt/nas/my mosaic"))
    assert parse_address(S3) == S3Location("https://s3.example.com", "photos", "mosaic/home", "eu-1")
    assert parse_address("mosaic://cellar:8475") == DeviceAddress("cellar", 8475)
    assert parse_address("mosaic://[2001:db8::1]:8475") == DeviceAddress("2001:db8::1", 8475)
    amazon = parse_address("s3://photos?region=eu-central-1")
    assert isinstance(amazon, S3Location) and amazon.endpoint == "https://s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/mnt/nas",
        "file://nas/mosaic",
        "file:///",
        "file:///mnt/../etc",
        "ftp://nas/x",
        "s3://key:hunter2@photos",
        "s3://photos?secret=hunter2",
        "s3://photos?region=a&region=b",
        "s3://photos?endpoint=http://s3.example.com",
        "s3://photos?endpoint=https://key:hunter2@s3.example.com",
        "s3://photos?addressing=hunter2",
        "mosaic://cellar",
        "mosaic://cellar:99999",
        "mosaic://cellar:8475/hunter2",
        "mosaic://token:hunter2@cellar:8475",
        "mosaic://cellar:8475#hunter2",
    ],
)
def test_what_is_no_address_is_refused_and_nothing_of_it_that_may_be_a_secret_is_repeated(url: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_address(url)
    assert refused.value.hint
    assert "hunter2" not in refused.value.message + refused.value.hint


def test_a_key_is_read_as_other_programs_write_it() -> None:
    key = parse_key("[default]\naws_access_key_id = AKIA1\naws_secret_access_key=a/b+c=\n# a remark\n")
    assert (key.access_key_id, key.secret_access_key, key.session_token) == ("AKIA1", "a/b+c=", None)


@pytest.mark.parametrize("text", ["", "hunter2", "access_key_id = a", "secret_access_key = hunter2\n" * 2])
def test_a_file_without_one_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_key(text)
    assert "hunter2" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("file:///home/anna", True),
        ("file:///mnt/nas/mosaic", False),
        ("file:///mnt/six/mosaic", False),
        ("file:///mnt/share/mosaic", False),
        ("file:///mnt/ssh/mosaic", False),
        ("file:///mnt/with%20space/mosaic", False),
        ("file:///mnt/usb/mosaic", True),
        ("file:///mnt/unknown/mosaic", True),
        ("file:///mnt/nas/disk/mosaic", True),
        ("file:///mnt/nasty", True),
        ("file:///mnt/own/mosaic", True),
        ("s3://photos?endpoint=http://127.0.0.1:9000", True),
        ("s3://photos?endpoint=http://localhost:9000", True),
        ("s3://photos?endpoint=https://home.lan", True),
        ("s3://photos?endpoint=https://s3.example.com", False),
        ("mosaic://home.lan:8475", True),
        ("mosaic://cellar.lan:8475", False),
    ],
)
def test_only_what_is_known_to_be_elsewhere_is_elsewhere(url: str, here: bool) -> None:
    own = {"localhost", "127.0.0.1", "home.lan"}
    assert lies_here(parse_address(url), mounts=MOUNTS, is_own=own.__contains__) is here


def test_this_machines_own_names_are_known_and_a_name_that_leads_nowhere_counts_as_one() -> None:
    assert is_own_host("127.0.0.1") and is_own_host("localhost") and is_own_host("::1")
    assert is_own_host("no-such-name.invalid")
    assert not is_own_host("192.0.2.1")
