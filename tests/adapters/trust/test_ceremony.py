"""Making, adding and changing keys: who could read before can read on, and what is lost stops counting."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.adapters.trust import ceremony, publishing
from mosaic.adapters.trust.ceremony import Quorum, QuorumImpossible, RepositoryExists, RoleUnknown
from mosaic.adapters.trust.edition import RepositoryMissing
from mosaic.adapters.trust.key_folder import (
    KeyFolder,
    SigningKeyMissing,
    SigningKeyUnusable,
    SigningPassphraseMissing,
)
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.repository import Repository
from mosaic.core.target import TargetUnusable
from mosaic.crypto.passphrase import PassphraseTooWeak
from mosaic.crypto.unwrap import SigningPassphraseWrong
from support.target_world import DAY_NS, NOW_NS, Device, Mirror, Publisher

pytestmark = pytest.mark.long

ROLES = ["root", "targets", "channel-stable", "snapshot", "timestamp"]
WORDS = "correct horse battery staple orbit lamp"


def _keys(publisher: Publisher, role: str) -> list[str]:
    return publisher.alone.edition().keyids(role)


@pytest.mark.parametrize("role", ROLES)
def test_a_rotated_key_is_followed_and_the_older_one_signs_nothing_more(
    publisher: Publisher, device: Device, role: str
) -> None:
    older = _keys(publisher, role)
    ceremony.rotate(publisher.with_drawer, role, now_ns=NOW_NS)
    newer = _keys(publisher, role)
    assert len(newer) == 1
    assert newer != older
    assert older[0] not in publisher.alone.edition().role(role).signatures or role == "root"
    publisher.publish("two")
    device.refresh()
    assert device.version() == 2


@pytest.mark.parametrize("role", ROLES)
def test_an_added_key_raises_the_threshold_and_must_sign_from_then_on(
    publisher: Publisher, device: Device, role: str
) -> None:
    ceremony.add_key(publisher.with_drawer, role, now_ns=NOW_NS)
    edition = publisher.alone.edition()
    assert (len(edition.keyids(role)), edition.threshold(role)) == (2, 2)
    device.refresh()
    assert device.version() == 1
    folder = "drawer" if role in ("root", "targets") else "online"
    next(publisher.folder.joinpath(folder).glob(f"*{edition.keyids(role)[1][:16]}.key")).unlink()
    with pytest.raises(SigningKeyMissing):
        ceremony.renew(publisher.with_drawer, role, now_ns=NOW_NS)


def test_an_added_key_can_be_a_spare_one(publisher: Publisher, device: Device) -> None:
    ceremony.add_key(publisher.with_drawer, "targets", now_ns=NOW_NS, threshold=1)
    next((publisher.folder / "drawer").glob("targets-*.key")).unlink()
    ceremony.add_channel(publisher.with_drawer, "nightly", now_ns=NOW_NS)
    device.refresh()
    assert device.version() == 1


@pytest.mark.parametrize("role", ["targets", "channel-stable", "snapshot", "timestamp"])
def test_a_role_whose_key_is_lost_gets_another_one(publisher: Publisher, device: Device, role: str) -> None:
    for key in publisher.folder.glob(f"*/{role}-*.key"):
        key.unlink()
    ceremony.rotate(publisher.with_drawer, role, now_ns=NOW_NS)
    publisher.publish("two")
    device.refresh()
    assert device.version() == 2


def test_a_root_without_enough_of_its_own_keys_is_not_changed(publisher: Publisher) -> None:
    next((publisher.folder / "drawer").glob("root-*.key")).unlink()
    for role in ("root", "timestamp"):
        with pytest.raises(SigningKeyMissing):
            ceremony.rotate(publisher.with_drawer, role, now_ns=NOW_NS)
    assert publisher.publish("two").is_new


@pytest.mark.parametrize("role", ["root", "targets", "channel-stable", "snapshot", "timestamp"])
def test_a_role_is_signed_again_for_another_period(publisher: Publisher, role: str) -> None:
    before = publisher.alone.edition().role(role).signed.expires
    ceremony.renew(publisher.with_drawer, role, now_ns=NOW_NS + DAY_NS)
    assert (publisher.alone.edition().role(role).signed.expires - before).days == 1


def test_a_channel_is_added_with_a_key_of_its_own(publisher: Publisher, mirror: Mirror, tmp_path: Path) -> None:
    ceremony.add_channel(publisher.with_drawer, "nightly", now_ns=NOW_NS)
    publisher.publish("two", channel="nightly")
    device = mirror.device(tmp_path / "nightly", publisher, channel="nightly")
    device.refresh()
    assert device.version() == 2
    assert len({_keys(publisher, f"channel-{one}")[0] for one in ("stable", "beta", "nightly")}) == 3


def test_a_repository_is_made_once(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(RepositoryExists):
        publisher.create("stable")
    with pytest.raises(RepositoryExists):
        ceremony.create(publisher.at(PublicFiles(tmp_path / "other")), channels=["stable"], now_ns=NOW_NS)
    with pytest.raises(RepositoryExists):
        ceremony.add_channel(publisher.with_drawer, "stable", now_ns=NOW_NS)
    assert publisher.publish("two").is_new


def test_what_no_ceremony_can_do_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    new = Publisher(tmp_path / "new")
    attempts: list[tuple[type[Exception], Callable[[], object]]] = [
        (RoleUnknown, lambda: ceremony.rotate(publisher.with_drawer, "mirrors", now_ns=NOW_NS)),
        (SigningKeyMissing, lambda: ceremony.rotate(publisher.alone, "root", now_ns=NOW_NS)),
        (QuorumImpossible, lambda: ceremony.add_key(publisher.with_drawer, "root", now_ns=NOW_NS, threshold=3)),
        (QuorumImpossible, lambda: ceremony.create(new.with_drawer, channels=[], now_ns=NOW_NS, root=Quorum(1, 2))),
        (TargetUnusable, lambda: ceremony.add_channel(publisher.with_drawer, "*", now_ns=NOW_NS)),
        (SigningKeyMissing, lambda: ceremony.create(new.alone, channels=["stable"], now_ns=NOW_NS)),
        (RepositoryMissing, lambda: publishing.refresh(new.alone, now_ns=NOW_NS)),
    ]
    for kind, attempt in attempts:
        with pytest.raises(kind):
            attempt()


def test_a_key_in_the_drawer_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    drawer = tmp_path / "drawer"
    key = KeyFolder(drawer, passphrase=WORDS).draw("root")
    (path,) = drawer.glob("*.key")
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyFolder(drawer, passphrase=WORDS).signer(key.keyid) is not None
    with pytest.raises(SigningPassphraseWrong):
        KeyFolder(drawer, passphrase=WORDS + "s").signer(key.keyid)
    with pytest.raises(SigningPassphraseMissing):
        KeyFolder(drawer).signer(key.keyid)
    with pytest.raises(PassphraseTooWeak):
        KeyFolder(drawer, passphrase="secret").draw("root")


def test_a_key_file_that_others_may_read_or_that_is_damaged_is_not_used(tmp_path: Path) -> None:
    key = KeyFolder(tmp_path).draw("timestamp")
    (path,) = tmp_path.glob("*.key")
    good = path.read_bytes()
    path.chmod(0o640)
    with pytest.raises(SigningKeyUnusable):
        KeyFolder(tmp_path).signer(key.keyid)
    path.chmod(0o600)
    not_text = good.replace(b'"seed":"', b'"seed":"\xff')
    for bad in (b"", good[:-20], not_text, good.replace(b'"seed":"', b'"seed":"00'), b'{"role":"x","public":"00"}'):
        path.write_bytes(bad)
        with pytest.raises(SigningKeyUnusable) as caught:
            KeyFolder(tmp_path).signer(key.keyid)
        assert good.decode().split('"seed":"')[1][:64] not in str(caught.value)


def test_a_repository_is_signed_with_keys_under_a_passphrase(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path)
    sealed = Repository(
        publisher.files, KeyFolder(tmp_path / "online"), KeyFolder(tmp_path / "drawer", passphrase=WORDS)
    )
    ceremony.create(sealed, channels=["stable"], now_ns=NOW_NS)
    assert publisher.publish("one").is_new
    with pytest.raises(SigningPassphraseMissing):
        ceremony.renew(publisher.with_drawer, "targets", now_ns=NOW_NS)
