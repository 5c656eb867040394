"""Each aggregate keeps its promises, whatever races with it."""

import threading
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from adapters.sql.rows import ADA, ATTIC, CELLAR, NOTES, account, device, fleet, install, installation
from mosaic.adapters.sql import (
    accounts,
    devices,
    events,
    heads,
    installations,
    join_tokens,
    placements,
    sessions,
    tokens,
    volumes,
)  # fmt: skip
from mosaic.adapters.sql.engine import ChangedMeanwhile, Database
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.join_tokens import JoinToken
from mosaic.adapters.sql.tokens import Token
from mosaic.adapters.sql.volumes import Volume
from mosaic.core import lease, placement
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Fenced
from mosaic.core.ids import AccountId, DeviceId, HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import AcceptedHead, Holder
from mosaic.core.session import SessionSuperseded, admit
from mosaic.wire.account import AccountKeys, KdfParameters, OwnerAdmission
from mosaic.wire.head import Head
from mosaic.wire.report import MachineState, Report

pytestmark = pytest.mark.long

KEYS = AccountKeys(1, KdfParameters(65536, 4, 1, "00" * 16), "aa", "bb", "cc", "dd" * 32)
DATA = VolumeId("ee" * 32)


def at_once(database: Database, *works: Callable[[], object]) -> list[object]:
    """Run all at the same time and return what each returned, or raised."""
    came: list[object] = [None] * len(works)
    gate = threading.Barrier(len(works))

    def run(number: int) -> None:
        gate.wait()
        try:
            came[number] = works[number]()
        except Exception as error:  # handed to the test, as what came of it
            came[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def head(seq: int, previous: str | None = None, epoch: Epoch = Epoch(1, 1)) -> Head:  # noqa: B008 - immutable
    return Head(
        DATA, epoch, seq, HeadHash(previous) if previous else None, seq, ATTIC, None, 1, b"r" * 32, b"p" * 16, 0
    )


def test_of_two_who_replace_the_keys_at_once_one_wins(database: Database) -> None:
    account(database)

    def change(owner: str) -> bool:
        with database.write() as tx:
            return accounts.set_keys(tx, ADA, msgspec.structs.replace(KEYS, owner_key=owner * 32), "verifier")

    assert sorted(map(str, at_once(database, lambda: change("11"), lambda: change("22")))) == ["False", "True"]


def test_a_token_is_good_until_it_expires_or_is_forgotten(database: Database) -> None:
    account(database)
    with database.write() as tx:
        tokens.add(tx, Token("h1", ADA, False, "here", expires_ns=100), now_ns=1)
        tokens.add(tx, Token("h2", ADA, True, "there", expires_ns=100), now_ns=1)
        tokens.forget(tx, "h2")
    with database.read() as tx:
        found = tokens.bearer(tx, "h1", now_ns=99)
        assert found is not None
        assert (found.name, found.browser) == ("ada", False)
        assert tokens.bearer(tx, "h1", now_ns=100) is None
        assert tokens.bearer(tx, "h2", now_ns=1) is None


def test_a_join_token_lets_one_of_two_devices_in(database: Database) -> None:
    fleet(database)
    with database.write() as tx:
        assert join_tokens.add(tx, JoinToken("s", ADA, "", OwnerAdmission("s", "sig"), 100), now_ns=1)
        assert not join_tokens.add(tx, JoinToken("s", ADA, "", None, 100), now_ns=1)

    def use(who: str) -> bool:
        with database.write() as tx:
            token = join_tokens.lock(tx, "s")
            assert token is not None
            if token.used_by is not None:
                return False
            join_tokens.use(tx, "s", replace(device(ATTIC, "x")).id if who == "a" else CELLAR)
            return True

    assert sorted(map(str, at_once(database, lambda: use("a"), lambda: use("c")))) == ["False", "True"]


def test_a_device_name_is_free_again_once_its_device_was_removed(database: Database) -> None:
    fleet(database)
    with pytest.raises(ChangedMeanwhile), database.write() as tx:
        devices.add(tx, device(replace_id("d"), "attic"))
    with database.write() as tx:
        devices.remove(tx, ATTIC, now_ns=5)
        devices.add(tx, device(replace_id("d"), "attic"))
    with database.read() as tx:
        assert [each.name for each in devices.of_account(tx, ADA)] == ["attic", "cellar"]
        assert (gone := devices.get(tx, ATTIC)) is not None
        assert gone.removed


REPORT = Report(4, 1, "1", None, MachineState(1, 1, 1, 1, 0.0, "amd64"), None, [], [])


def test_a_report_that_was_on_its_way_when_its_device_was_removed_is_not_kept(database: Database) -> None:
    fleet(database)
    with database.write() as tx:
        devices.put_report(tx, ATTIC, REPORT, now_ns=4)
        devices.remove(tx, ATTIC, now_ns=5)
        devices.put_report(tx, ATTIC, REPORT, now_ns=6)
    with database.read() as tx:
        assert (gone := devices.get(tx, ATTIC)) is not None
        assert (gone.report, gone.reported_ns) == (None, 4)


def replace_id(letter: str) -> DeviceId:
    return DeviceId(letter * 32)


def test_the_newest_session_ends_the_tokens_of_older_ones(database: Database) -> None:
    fleet(database)
    first, second = Holder(ATTIC, SessionId("s1")), Holder(ATTIC, SessionId("s2"))
    for holder, token in ((first, "t1"), (second, "t2")):
        with database.write() as tx:
            admit(sessions.lock(tx, ATTIC), holder.session)
            sessions.begin(tx, holder, token, now_ns=1)
    with database.write() as tx:
        assert sessions.by_token(tx, "t1") is None
        assert (found := sessions.by_token(tx, "t2")) is not None
        assert found.holder == second
        with pytest.raises(SessionSuperseded):
            admit(sessions.lock(tx, ATTIC), first.session)


def test_two_installations_have_one_name_only_while_one_is_in_the_trash(database: Database) -> None:
    install(database)
    other = InstallationId("other2345678")
    new = placement.install(lease.new_lease({}), ATTIC, 1)
    with pytest.raises(ChangedMeanwhile), database.write() as tx:
        placements.add(tx, installation("notes", other), new)
    with database.write() as tx:
        before = placements.lock(tx, NOTES)
        assert before is not None
        placements.save(tx, NOTES, before, placement.uninstall(before, 2))
        placements.add(tx, installation("notes", other), new)
    with database.read() as tx:
        assert (alive := installations.find(tx, ADA, "notes", trashed=False)) is not None
        assert (trashed := installations.find(tx, ADA, "notes", trashed=True)) is not None
        assert (alive.id, trashed.id) == (other, NOTES)


def test_a_placement_comes_back_as_it_was_saved(database: Database) -> None:
    install(database)
    with database.write() as tx:
        volumes.add(tx, Volume(DATA, NOTES, "data", "ff"), now_ns=1)
        before = placements.lock(tx, NOTES)
        assert before is not None
        held = lease.grant(before.lease, Holder(ATTIC, SessionId("s1")), term=2**40)
        after = replace(before, lease=held, other=CELLAR, returning=True, arrival=held.epoch, problem="no space")
        placements.save(tx, NOTES, before, after)
    with database.read() as tx:
        assert placements.get(tx, NOTES) == after
        assert placements.of_account(tx, ADA) == {NOTES: after}
        assert set(placements.concerning(tx, CELLAR)) == {NOTES}
        assert placements.highest_term(tx) == 2**40


def test_an_accepted_head_is_the_newest_and_kept_for_good(database: Database) -> None:
    install(database)
    with database.write() as tx:
        volumes.add(tx, Volume(DATA, NOTES, "data", "ff"), now_ns=1)
        heads.add(tx, HeadHash("h1"), head(1), b"one", now_ns=1)
        heads.add(tx, HeadHash("h2"), head(2, "h1", Epoch(1, 4)), b"two", now_ns=2)
    with database.read() as tx:
        assert heads.newest(tx, DATA) == ("h2", b"two")
        assert heads.signed(tx, DATA, HeadHash("h1")) == b"one"
        found = placements.get(tx, NOTES)
        assert found is not None
        assert found.lease.newest == {DATA: AcceptedHead(HeadHash("h2"), 2, Epoch(1, 4))}


def test_g1_the_database_itself_refuses_two_heads_of_one_number(database: Database) -> None:
    install(database)
    with database.write() as tx:
        volumes.add(tx, Volume(DATA, NOTES, "data", "ff"), now_ns=1)
        heads.add(tx, HeadHash("h1"), head(1), b"one", now_ns=1)
    with pytest.raises(ChangedMeanwhile), database.write() as tx:
        heads.add(tx, HeadHash("other"), head(1), b"other", now_ns=1)


def test_g1_a_grant_and_a_head_commit_never_pass_one_another(database: Database) -> None:
    install(database)
    attic, cellar = Holder(ATTIC, SessionId("s1")), Holder(CELLAR, SessionId("s2"))
    with database.write() as tx:
        volumes.add(tx, Volume(DATA, NOTES, "data", "ff"), now_ns=1)
        before = placements.lock(tx, NOTES)
        assert before is not None
        placements.save(tx, NOTES, before, replace(before, lease=lease.grant(before.lease, attic)))

    def commit() -> str:
        with database.write() as tx:
            found = placements.lock(tx, NOTES)
            assert found is not None
            offered = lease.OfferedHead(HeadHash("h1"), None, 1, Epoch(1, 1))
            try:
                lease.accept_head(found.lease, DATA, offered, by=attic)
            except Fenced:
                return "fenced"
            heads.add(tx, HeadHash("h1"), head(1), b"one", now_ns=1)
            return "accepted"

    def take_over() -> HeadHash | None:
        with database.write() as tx:
            found = placements.lock(tx, NOTES)
            assert found is not None
            placements.save(tx, NOTES, found, replace(found, lease=lease.force(found.lease, cellar), home=CELLAR))
        with database.read() as tx:
            after = placements.get(tx, NOTES)
            assert after is not None
            return after.lease.base[DATA]

    outcome, base = at_once(database, commit, take_over)
    assert (outcome, base) in [("accepted", "h1"), ("fenced", None)]


def test_events_are_numbered_in_the_order_in_which_they_are_seen(database: Database) -> None:
    account(database)
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set() or not seen or seen[-1] < 40:
            with database.read() as tx:
                seen.extend(event.id for event in events.after(tx, ADA, seen[-1] if seen else 0))

    def tell() -> None:
        for _ in range(10):
            with database.write() as tx:
                events.add(tx, Happened(ADA, "login", "ada", "ada logged in."), now_ns=1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    at_once(database, *[tell] * 4)
    done.set()
    watcher.join(60)
    assert seen == list(range(1, 41))


def test_what_tells_people_something_outlives_what_only_wakes_pages(database: Database) -> None:
    account(database)
    with database.write() as tx:
        events.add(tx, Happened(ADA, "login", "ada", "ada logged in."), now_ns=1)
    for _ in range(4):
        with database.write() as tx:
            for _ in range(events.NOISE_KEPT):
                events.add(tx, Happened(ADA, "head-accepted", "notes", "It was saved."), now_ns=2)
    with database.read() as tx:
        kept = events.after(tx, ADA, 0, limit=10_000)
    assert [event.kind for event in kept if event.kind != "head-accepted"] == ["login"]
    assert events.NOISE_KEPT <= len(kept) - 1 < 2 * events.NOISE_KEPT


def test_the_newest_events_of_an_account_come_first_and_only_its_own(database: Database) -> None:
    account(database)
    with database.write() as tx:
        for kind in ("joined", "device-reported", "moved", "device-reported", "device-reported"):
            events.add(tx, Happened(ADA, kind, "attic", "It happened."), now_ns=1)
        stranger = AccountId("mallory")
        assert events.latest(tx, stranger, limit=9) == []
        newest = events.latest(tx, ADA, limit=2, leave_out={"device-reported"})
        assert [event.kind for event in newest] == ["moved", "joined"]
        assert [event.id for event in events.latest(tx, ADA, limit=2)] == [5, 4]
