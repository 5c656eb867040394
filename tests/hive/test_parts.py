"""The pure parts: names, limits, waking, what a report says, what the database says of itself."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.epoch import Epoch
from mosaic.core.ids import AccountId, DeviceId, HeadHash, InstallationId, SessionId, VolumeId
from mosaic.core.lease import Holder, OfferedHead, accept_head, grant, new_lease
from mosaic.hive import names
from mosaic.hive.channel.connections import Connection
from mosaic.hive.channel.sights import Heard, mentioned, seen
from mosaic.hive.login_limits import PER_ADDRESS, PER_NAME, WINDOW_NS, LoginLimits, LoginTooOften, wait_ns
from mosaic.hive.names import NameUnusable
from mosaic.hive.waking import Waking
from mosaic.wire.command import CommandResult, ReadLogs
from mosaic.wire.report import InstallationPhase, InstallationReport, MachineState, Report, VolumeReport

NOTES = InstallationId("notes2345678")
DATA = VolumeId("ee" * 32)
MACHINE = MachineState(1, 1, 1, 1, 0.0, "amd64")


@given(st.text(max_size=80))
def test_folding_gives_a_usable_name_or_nothing(text: str) -> None:
    folded = names.fold(text)
    assert folded == "" or names.check(folded) == folded
    assert names.fold(folded) == folded


@given(st.text(max_size=80))
def test_a_refused_name_comes_with_a_usable_one_where_there_is_one(text: str) -> None:
    try:
        assert names.check(text) == text
    except NameUnusable as refused:
        assert (names.fold(text) or "attic") in refused.hint


@given(st.sets(st.integers(2, 30)), st.sampled_from(["attic", "a" * 40]))
def test_a_free_name_is_free_and_usable(numbers: set[int], name: str) -> None:
    taken = {name, *(f"{name[: 39 - len(str(number))]}-{number}" for number in numbers)}
    free = names.free(name, taken)
    assert free not in taken
    assert names.check(free) == free


@given(st.lists(st.integers(0, 2 * WINDOW_NS), max_size=20), st.integers(1, 5))
def test_waiting_as_long_as_asked_is_enough_and_no_less(ago: list[int], allowed: int) -> None:
    now_ns = 10 * WINDOW_NS
    failures = sorted(now_ns - each for each in ago)
    wait = wait_ns(failures, now_ns, allowed=allowed)
    assert wait >= 0
    assert wait_ns(failures, now_ns + wait, allowed=allowed) == 0
    if wait:
        assert wait_ns(failures, now_ns + wait - 1, allowed=allowed) == 1


def test_an_address_is_stopped_whatever_names_it_tries() -> None:
    limits = LoginLimits()
    for number in range(PER_ADDRESS):
        limits.check(f"name{number}", "there", number)
        limits.failed(f"name{number}", "there", number)
    with pytest.raises(LoginTooOften):
        limits.check("ada", "there", PER_ADDRESS)
    limits.check("ada", "elsewhere", PER_ADDRESS)


def test_a_success_forgives_the_name_and_not_the_address() -> None:
    limits = LoginLimits()
    for _ in range(PER_NAME - 1):
        limits.failed("ada", "there", 0)
    limits.succeeded("ada", "there", 0)
    for _ in range(PER_ADDRESS - PER_NAME + 2):
        limits.failed("bob", "there", 0)
    with pytest.raises(LoginTooOften):
        limits.check("ada", "there", 1)


def test_logging_in_often_is_no_failure_of_the_address() -> None:
    limits = LoginLimits()
    for at in range(3 * PER_ADDRESS):
        limits.check("ada", "there", at)
        limits.failed("ada", "there", at)
        limits.succeeded("ada", "there", at)
    limits.check("bob", "there", 3 * PER_ADDRESS)


def test_an_answer_that_nobody_waits_for_is_not_kept() -> None:
    async def story() -> tuple[CommandResult | None, CommandResult | None, int]:
        connection = Connection(DeviceId("d"), SessionId("s"), AccountId("a"), "token")
        body = ReadLogs(InstallationId("i"), None, 10)
        late = connection.order(body, expires_ns=1)
        none = await connection.result(late, seconds=0.01)
        for invented in (late, "invented"):
            connection.hear(CommandResult(invented, "done", "x" * 1000))
        good = connection.order(body, expires_ns=1)
        connection.hear(CommandResult(good, "done", "lines"))
        return none, await connection.result(good, seconds=5), len(connection._answers)

    none, good, kept = anyio.run(story)
    assert (none, good and good.output, kept) == (None, "lines", 0)


def test_a_change_between_the_look_and_the_wait_is_not_missed() -> None:
    async def story() -> tuple[bool, bool]:
        waking = Waking()
        before = waking.seen
        waking.wake()
        return await waking.wait(before, seconds=5), await waking.wait(waking.seen, seconds=0.01)

    assert anyio.run(story) == (True, False)


def report(phase: InstallationPhase = "running", *, epoch: str | None = "1.1", held: str | None = "1.1") -> Heard:
    told = InstallationReport(NOTES, "run", epoch, phase, True, None, 1)
    volume = VolumeReport(DATA, NOTES, "data", held, "replicated", "h1", [], 0)
    return Heard(SessionId("s"), 5, Report(5, 1, "1", None, MACHINE, None, [told], [volume]), {NOTES: 3})


BY = Holder(DeviceId("a"), SessionId("s"))
HELD = grant(new_lease({DATA: None}), BY)


def test_a_running_app_whose_volumes_are_held_under_its_epoch_is_ready() -> None:
    found = seen(report(), NOTES, HELD)
    assert (found.ready, found.healthy, found.epoch, found.answers) == (True, True, Epoch(1, 1), 3)
    assert found.heads == {DATA: "h1"}


@pytest.mark.parametrize("told", [report(held="1.0"), report(epoch=None), report("starting"), report(epoch="junk")])
def test_anything_less_is_not_ready(told: Heard) -> None:
    assert not seen(told, NOTES, HELD).ready


def test_a_volume_that_was_given_back_is_left_behind_when_its_head_is_the_newest() -> None:
    """G3 for uninstall and move: after its release a volume is held under no epoch, and the lease must still end."""
    given_back = report("released", held=None)
    lease = accept_head(HELD, DATA, OfferedHead(HeadHash("h1"), None, 1, Epoch(1, 1)), by=BY)
    assert seen(given_back, NOTES, lease).heads == {DATA: "h1"}
    later = accept_head(lease, DATA, OfferedHead(HeadHash("h2"), HeadHash("h1"), 2, Epoch(1, 1)), by=BY)
    assert seen(given_back, NOTES, later).heads == {}


def test_a_device_that_says_nothing_of_an_installation_has_nothing_of_it() -> None:
    found = seen(report(), InstallationId("other"), HELD)
    assert (found.keeps_data, found.prepared, found.problem) == (False, False, None)
    assert mentioned(report().report) == {NOTES}
