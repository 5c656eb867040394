"""Who takes a Target that is rolled out in stages, and which one a Device has in the end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ids import DeviceId
from mosaic.core.roll_out import RollOut, RollOutUnusable
from mosaic.core.target import Target
from mosaic.core.target_choice import Taker, newest_for, still_listed, takes

devices = st.text("0123456789abcdef", min_size=32, max_size=32).map(DeviceId)
groups = st.sampled_from([None, "canary", "office"])
versions = st.integers(1, 1000)
roll_outs = st.builds(
    RollOut, st.integers(0, 100), st.frozensets(st.sampled_from(["canary", "office"])), paused=st.booleans()
)
listings = st.lists(
    st.builds(
        Target,
        st.just("stable"),
        st.sampled_from(["amd64", "pi"]),
        versions,
        st.just({}),
        st.just(0),
        st.none(),
        roll_outs,
    ),
    unique_by=lambda one: (one.hardware, one.version),
    max_size=12,
)
takers = st.builds(Taker, st.sampled_from(["amd64", "pi", "riscv"]), devices, groups, st.none() | versions)
DEVICE = DeviceId("d" * 32)


def _target(version: int, roll_out: RollOut, *, hardware: str = "amd64") -> Target:
    return Target("stable", hardware, version, {}, 0, roll_out=roll_out)


@given(versions, devices, groups, roll_outs, st.integers(0, 100))
def test_a_larger_share_only_adds_devices(
    version: int, device: DeviceId, group: str | None, roll_out: RollOut, more: int
) -> None:
    larger = replace(roll_out, percentage=max(roll_out.percentage, more))
    if takes(_target(version, roll_out), device, group):
        assert takes(_target(version, larger), device, group)


@given(versions, devices, groups)
def test_a_hundred_percent_is_every_device_and_none_is_no_device(
    version: int, device: DeviceId, group: str | None
) -> None:
    assert takes(_target(version, RollOut(100)), device, group)
    assert not takes(_target(version, RollOut(0)), device, group)


@given(versions, devices, st.integers(0, 100))
def test_a_group_takes_it_whatever_the_share(version: int, device: DeviceId, percentage: int) -> None:
    assert takes(_target(version, RollOut(percentage, frozenset({"canary"}))), device, "canary")


@given(versions, devices, groups, roll_outs)
def test_a_pause_lets_nobody_in(version: int, device: DeviceId, group: str | None, roll_out: RollOut) -> None:
    assert not takes(_target(version, replace(roll_out, paused=True)), device, group)


def test_a_share_is_about_that_share_of_devices_and_another_one_for_each_version() -> None:
    fleet = [DeviceId(f"{number:032x}") for number in range(2000)]
    first, second = ({d for d in fleet if takes(_target(v, RollOut(10)), d, None)} for v in (1, 2))
    assert 140 < len(first) < 260
    assert 0 < len(first & second) < len(first) / 2


@given(takers, listings)
def test_a_device_has_the_newest_of_its_hardware_that_it_holds_or_is_let_have(
    taker: Taker, listed: list[Target]
) -> None:
    found = newest_for(taker, listed)
    open_to_it = [
        one
        for one in listed
        if one.hardware == taker.hardware and (takes(one, taker.device, taker.group) or one.version == taker.holds)
    ]
    assert found in open_to_it if open_to_it else found is None
    assert all(found is not None and one.version <= found.version for one in open_to_it)


def test_a_device_that_has_a_version_keeps_it_when_its_roll_out_is_paused() -> None:
    listed = [_target(1, RollOut()), _target(2, RollOut(paused=True))]
    assert newest_for(Taker("amd64", DEVICE), listed) == listed[0]
    assert newest_for(Taker("amd64", DEVICE, holds=2), listed) == listed[1]


@given(takers, listings, st.integers(1, 5))
def test_no_device_loses_its_version_to_the_shortening_of_the_list(
    taker: Taker, listed: list[Target], most: int
) -> None:
    new = replace(taker, holds=None)
    assert newest_for(new, still_listed(listed, most=most)) == newest_for(new, listed)


@given(listings, st.integers(1, 5))
def test_the_newest_versions_of_each_hardware_stay_listed(listed: list[Target], most: int) -> None:
    kept = still_listed(listed, most=most)
    for hardware in ("amd64", "pi"):
        own = sorted((one for one in listed if one.hardware == hardware), key=lambda one: -one.version)
        assert all(one in kept for one in own[:most])


def test_old_versions_leave_the_list() -> None:
    listed = [_target(version, RollOut()) for version in range(1, 10)]
    assert [one.version for one in still_listed(listed, most=3)] == [9, 8, 7]


@pytest.mark.parametrize("percentage", [-1, 101])
def test_a_share_is_a_percentage(percentage: int) -> None:
    with pytest.raises(RollOutUnusable):
        RollOut(percentage)
