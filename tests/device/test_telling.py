"""What a Device says to its Hive: everything on a change, next to nothing while nothing happens."""

import msgspec
from hypothesis import given
from hypothesis.strategies import floats, integers
from msgspec import structs

from mosaic.device.telling import Telling
from mosaic.wire.channel import FromDevice, Reported
from mosaic.wire.heartbeat import Heartbeat, digest_of, heartbeat, said_again
from mosaic.wire.report import InstallationReport, MachineState, Report
from mosaic.wire.storage import Failure, PoolState

MACHINE = MachineState(10**12, 5 * 10**11, 16 * 10**9, 8 * 10**9, 0.25, "x86_64")
POOL = PoolState("/var/lib/mosaic/pool", "image", 10**11, 9 * 10**10)
APP = InstallationReport("notesnotes22", "run", "1.1", "running", True, "sha256:" + "ab" * 32, 1)
REPORT = Report(1_800_000_000 * 10**9, 3, "", "20.10.24", MACHINE, POOL, [APP], [])


def telling(*, heartbeats: bool = True) -> Telling:
    return Telling(beat_seconds=30, heartbeats=heartbeats)


def moved(report: Report, *, free: int = 7, load: float = 0.5) -> Report:
    machine = structs.replace(MACHINE, disk_free_bytes=free, memory_available_bytes=free, load_1m=load)
    return structs.replace(report, at_ns=free, machine=machine, pool=structs.replace(POOL, free_bytes=free))


def test_the_first_word_is_the_whole_report() -> None:
    assert telling().next(REPORT, 0) == Reported(REPORT, digest_of(REPORT))


def test_nothing_is_said_before_the_beat_while_only_figures_move() -> None:
    device = telling()
    device.next(REPORT, 0)

    assert device.next(moved(REPORT), 29) is None
    assert device.wait_seconds(29) == 1


def test_a_beat_brings_the_figures_and_names_the_rest() -> None:
    device = telling()
    device.next(REPORT, 0)

    assert device.next(moved(REPORT), 30) == heartbeat(moved(REPORT), digest_of(REPORT))


def test_a_change_is_told_at_once_and_whole() -> None:
    device, stopped = telling(), structs.replace(REPORT, installations=[])
    device.next(REPORT, 0)

    assert device.next(stopped, 1) == Reported(stopped, digest_of(stopped))


def test_a_pool_that_fails_is_a_change() -> None:
    device = telling()
    device.next(REPORT, 0)
    failed = structs.replace(REPORT, pool=structs.replace(POOL, problem=Failure("pool-read-only", "no", "look")))

    assert isinstance(device.next(failed, 1), Reported)


def test_a_hive_that_lacks_it_is_told_everything() -> None:
    device = telling()
    device.next(REPORT, 0)
    device.say_all()

    assert device.next(REPORT, 1) == Reported(REPORT, digest_of(REPORT))


def test_an_older_hive_is_told_everything_on_every_beat() -> None:
    device = telling(heartbeats=False)
    device.next(REPORT, 0)

    assert device.next(REPORT, 30) == Reported(REPORT)


def test_a_minute_of_heartbeats_is_less_than_half_a_kilobyte() -> None:
    beat = heartbeat(moved(REPORT, free=2**62, load=123.45), digest_of(REPORT))

    assert 2 * len(msgspec.json.encode(beat)) < 500


@given(integers(0, 2**60), floats(0, 1000))
def test_a_heartbeat_means_what_the_whole_report_would_have_meant(free: int, load: float) -> None:
    now = moved(REPORT, free=free, load=load)
    sent = msgspec.json.encode(heartbeat(now, digest_of(now)))
    beat = msgspec.json.decode(sent, type=FromDevice)

    assert digest_of(now) == digest_of(REPORT)
    assert isinstance(beat, Heartbeat)
    assert said_again(REPORT, beat) == now
