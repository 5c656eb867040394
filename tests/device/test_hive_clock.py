"""The Hive's time, reckoned by a clock that never jumps."""

from mosaic.device.hive_clock import HiveClock
from support.virtual_time import VirtualClock, VirtualTime

DAY_SECONDS = 86400


def test_a_day_that_this_machine_is_set_wrong_does_not_move_the_hives_time() -> None:
    time = VirtualTime()
    own = VirtualClock(time)
    known = HiveClock(own)
    hive_now_ns = own.wall_ns()
    known.hear(hive_now_ns)

    for jump in (DAY_SECONDS, -2 * DAY_SECONDS):
        own.jump(jump)
        time.seconds += 5

        assert own.wall_ns() + known.offset_ns() == hive_now_ns + int(time.seconds * 1e9)
        assert known.skew() is not None


def test_a_hive_that_does_not_say_its_time_is_taken_to_have_ours() -> None:
    known = HiveClock(VirtualClock(VirtualTime()))
    known.hear(0)

    assert (known.offset_ns(), known.skew()) == (0, None)
