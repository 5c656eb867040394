"""The first root of a repository, as a person is shown it before he believes it."""

import hashlib
import json
from pathlib import Path

import pytest

from mosaic.adapters.trust import ceremony
from mosaic.adapters.trust.ceremony import Quorum
from mosaic.adapters.trust.first_root import MOST_ROOT_BYTES, fetch_first_root, read_first_root
from mosaic.adapters.trust.refusals import RepositoryUnavailable, TrustTooLarge, TrustUnreadable, TrustUnsigned
from mosaic.core.expiry import DAY_SECONDS
from support.target_world import NOW_NS, Publisher, changed, served


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path).create("stable")


def test_a_root_says_who_signs_and_until_when(publisher: Publisher) -> None:
    found = read_first_root(publisher.root)
    assert found.sha256 == hashlib.sha256(publisher.root).hexdigest()
    assert (found.version, found.threshold, len(found.keys)) == (1, 1, 1)
    assert found.expires_at == NOW_NS // 10**9 + 365 * DAY_SECONDS


def test_a_root_of_several_keys_names_them_all(tmp_path: Path) -> None:
    made = Publisher(tmp_path)
    root = ceremony.create(made.with_drawer, channels=["stable"], now_ns=NOW_NS, root=Quorum(3, 2))
    found = read_first_root(root)
    assert (found.threshold, len(found.keys)) == (2, 3)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]", b'{"signed": 7}', b" " * (MOST_ROOT_BYTES + 1)])
def test_what_is_no_root_cannot_be_read(content: bytes) -> None:
    with pytest.raises(TrustUnreadable):
        read_first_root(content)


def test_other_metadata_is_no_root(publisher: Publisher) -> None:
    with pytest.raises(TrustUnreadable):
        read_first_root((publisher.public / "metadata" / "timestamp.json").read_bytes())


def test_a_root_that_its_own_keys_did_not_sign_is_refused(publisher: Publisher) -> None:
    with pytest.raises(TrustUnsigned):
        read_first_root(changed(publisher.root, {"expires": "2099-01-01T00:00:00Z"}))
    unsigned = json.loads(publisher.root) | {"signatures": []}
    with pytest.raises(TrustUnsigned):
        read_first_root(json.dumps(unsigned).encode())


def test_the_first_root_is_fetched_even_when_there_are_newer_ones(publisher: Publisher) -> None:
    ceremony.rotate(publisher.with_drawer, "root", now_ns=NOW_NS)
    with served(publisher.public) as mirror:
        assert fetch_first_root(mirror.address + "/") == publisher.root
    assert fetch_first_root(publisher.public.as_uri()) == publisher.root


def test_a_root_without_end_is_not_read_to_its_end(publisher: Publisher) -> None:
    with served(publisher.public) as mirror:
        mirror.lies["1.root.json"] = b" " * (MOST_ROOT_BYTES + 1)
        with pytest.raises(TrustTooLarge):
            fetch_first_root(mirror.address)


def test_a_repository_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    for base in ("http://127.0.0.1:9", tmp_path.as_uri(), "no address"):
        with pytest.raises(RepositoryUnavailable):
            fetch_first_root(base)


def test_when_signatures_end_is_known_after_a_refresh(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish("one")
    device = served(publisher.public)
    with device as mirror:
        asks = mirror.device(tmp_path / "device", publisher)
        assert asks.trusted.expiries() == {}
        asks.refresh()
        found = asks.trusted.expiries()
    days = {role: (at - NOW_NS // 10**9) // DAY_SECONDS for role, at in found.items()}
    assert days == {"root": 365, "targets": 365, "snapshot": 30, "timestamp": 7, "channel-stable": 90}
