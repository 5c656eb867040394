"""Wishes for other versions and generations as rows, on both databases."""

from dataclasses import replace

import pytest

from mosaic.adapters.sql import accounts, devices, generations, installations, placements, updates
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.devices import Device
from mosaic.adapters.sql.engine import ChangedMeanwhile, Database
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.schema import generations as rows
from mosaic.adapters.sql.updates import CUT_SHORT, Update
from mosaic.core import lease, placement
from mosaic.core.ids import AccountId, AppDigest, DeviceId, HeadHash, InstallationId
from mosaic.wire.account import OwnerAdmission
from mosaic.wire.storage import Failure

ADA, ATTIC, NOTES = AccountId("ada"), DeviceId("attic"), InstallationId("notes2345678")
OLD, NEW = AppDigest("sha256:" + "ab" * 32), AppDigest("sha256:" + "cd" * 32)
KNOWN = Installation(
    NOTES, ADA, "notes", "notes", OLD, {}, 1, False, {"web": "sha256:1"}, [], 0, 7,
    catalog="public", approval="ff", label="1.0", follows=True,
)  # fmt: skip


@pytest.fixture
def kept(database: Database) -> Database:
    """One installation."""
    with database.write() as tx:
        accounts.add(tx, Account(ADA, "ada", "v", None, None), now_ns=1)
        admission = OwnerAdmission("x", "y")
        devices.add(tx, Device(ATTIC, ADA, "attic", "11" * 32, "22" * 32, "amd64", "1", admission, None, True, 1))
        placements.add(tx, KNOWN, placement.install(lease.new_lease({}), ATTIC, 1))
    return database


def wish(name: str, digest: AppDigest = NEW) -> Update:
    return Update(name, NOTES, OLD, digest, "2.0", 30, False, 10, catalog="public", approval="ee")


def test_an_installation_comes_back_with_what_vouches_for_it(kept: Database) -> None:
    with kept.read() as tx:
        assert installations.get(tx, NOTES) == KNOWN
        assert installations.following(tx) == [NOTES]
        (first,) = generations.of(tx, NOTES)
    assert (first.n, first.app_digest, first.label, first.catalog, first.approval) == (1, OLD, "1.0", "public", "ff")
    assert (first.images, first.began_ns, first.last_head) == ({"web": "sha256:1"}, 7, None)


def test_wishes_are_in_the_order_of_their_asking_though_a_clock_stands_still(kept: Database) -> None:
    with kept.write() as tx:
        for name in ("a", "b"):
            updates.add(tx, wish(name))
            asked = updates.open_one(tx, NOTES)
            assert asked is not None and asked.id == name
            updates.end(tx, asked, "failed", now_ns=10, failure=Failure("unwell", "it was not", "look"), kept="1.1-9")
        found = updates.newest(tx, NOTES)
        assert updates.open_one(tx, NOTES) is None and updates.of_account(tx, ADA) == {NOTES: found}
    assert found is not None and (found.id, found.outcome, found.kept) == ("b", "failed", "1.1-9")
    assert found.failure == Failure("unwell", "it was not", "look")


def test_the_database_itself_refuses_two_open_wishes(kept: Database) -> None:
    with kept.write() as tx:
        updates.add(tx, wish("a"))
    with pytest.raises(ChangedMeanwhile), kept.write() as tx:
        updates.add(tx, wish("b"))


def test_only_failures_that_say_something_of_the_version_are_counted(kept: Database) -> None:
    with kept.write() as tx:
        for number, code in enumerate(("unwell", CUT_SHORT, "unwell")):
            updates.add(tx, wish(f"{number}"))
            asked = updates.open_one(tx, NOTES)
            assert asked is not None
            updates.end(tx, asked, "failed", now_ns=20, failure=Failure(code, "", ""))
        assert updates.failures(tx, NOTES, NEW) == 2
        assert updates.failures(tx, NOTES, OLD) == 0


def test_a_new_generation_closes_the_former_one(kept: Database) -> None:
    with kept.write() as tx:
        newer = replace(KNOWN, app_digest=NEW, label="2.0", catalog=None, approval=None, images={})
        generations.begin(tx, KNOWN, newer, now_ns=9, last_head=HeadHash("12" * 32))
        installations.set_app(tx, newer)
        present, former = generations.of(tx, NOTES)
        assert installations.get(tx, NOTES) == newer
        assert generations.of_version(tx, NOTES, OLD) == former
    assert (present.n, present.label, present.last_head) == (2, "2.0", None)
    assert (former.n, former.last_head, former.images) == (1, "12" * 32, {"web": "sha256:1"})


def test_an_installation_from_before_generations_has_its_first_one_when_it_is_updated(kept: Database) -> None:
    with kept.write() as tx:
        tx.execute(rows.delete())
        assert generations.present(tx, NOTES) is None
        generations.begin(tx, KNOWN, KNOWN, now_ns=9, last_head=None)
        assert [(each.n, each.began_ns) for each in generations.of(tx, NOTES)] == [(2, 9), (1, 7)]
