"""Which way is tried first, which next, and what is refused."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.link_mode import (
    SILENT_SECONDS,
    LinkModeImpossible,
    LinkModeUnknown,
    Mode,
    Surroundings,
    asked_for,
    following,
    order,
    slowness,
)

ALL = Surroundings(
    may_administer=True, has_tun=True, kernel_has_wireguard=True, has_wg=True, wireguard_go="0.0.20230223"
)
NOTHING = Surroundings(may_administer=False, has_tun=False, kernel_has_wireguard=False, has_wg=False, wireguard_go=None)
surroundings = st.builds(
    Surroundings,
    may_administer=st.booleans(),
    has_tun=st.booleans(),
    kernel_has_wireguard=st.booleans(),
    has_wg=st.booleans(),
    wireguard_go=st.sampled_from([None, "0.0.20230223", "0.0.20220316"]),
)
modes = st.sampled_from(get_args(Mode))


def test_the_kernel_comes_before_wireguard_go_and_that_before_tcp() -> None:
    assert order(None, ALL, udp_answered=None) == ("kernel", "userspace", "tcp")
    assert order(None, replace(ALL, kernel_has_wireguard=False), udp_answered=True) == ("userspace", "tcp")
    assert order(None, replace(ALL, has_tun=False), udp_answered=None) == ("kernel", "tcp")
    assert order(None, NOTHING, udp_answered=None) == ("tcp",)


def test_where_udp_stayed_unanswered_tcp_comes_first() -> None:
    assert order(None, ALL, udp_answered=False) == ("tcp", "kernel", "userspace")


@given(surroundings, st.none() | st.booleans())
def test_there_is_always_something_to_try_and_tcp_is_among_it(around: Surroundings, udp_answered: bool | None) -> None:
    tried = order(None, around, udp_answered=udp_answered)
    assert "tcp" in tried
    assert len(set(tried)) == len(tried)


@given(surroundings, modes)
def test_what_is_forced_is_all_that_is_tried_or_is_refused_with_what_lacks(around: Surroundings, mode: Mode) -> None:
    chosen = mode in order(None, around, udp_answered=None)
    if chosen:
        assert order(mode, around, udp_answered=False) == (mode,)
        assert following((mode,), mode, "silent") is None
        assert following((mode,), mode, "not made") is None
    else:
        with pytest.raises(LinkModeImpossible):
            order(mode, around, udp_answered=None)


@pytest.mark.parametrize(
    ("mode", "around", "remedy"),
    [
        ("kernel", replace(ALL, may_administer=False), "cap_add: [NET_ADMIN]"),
        ("userspace", replace(ALL, may_administer=False), "cap_add: [NET_ADMIN]"),
        ("kernel", replace(ALL, kernel_has_wireguard=False), "modprobe wireguard"),
        ("kernel", replace(ALL, has_wg=False), "install wireguard-tools"),
        ("userspace", replace(ALL, has_tun=False), "devices: [/dev/net/tun]"),
        ("userspace", replace(ALL, wireguard_go=None), "install wireguard-go"),
    ],
)
def test_a_refusal_says_what_to_give_the_link(mode: Mode, around: Surroundings, remedy: str) -> None:
    with pytest.raises(LinkModeImpossible) as refused:
        order(mode, around, udp_answered=None)
    assert f"LINK_MODE={mode}" in refused.value.message
    assert remedy in refused.value.hint


@given(surroundings, st.none() | st.booleans(), st.sampled_from(["not made", "silent"]))
def test_giving_up_one_after_the_other_comes_to_an_end(
    around: Surroundings, udp_answered: bool | None, ending: str
) -> None:
    tried = order(None, around, udp_answered=udp_answered)
    mode: Mode | None = tried[0]
    seen: list[Mode] = []
    while mode is not None:
        seen.append(mode)
        mode = following(tried, mode, "silent" if ending == "silent" else "not made")
    assert seen == sorted(seen, key=tried.index)
    assert ending == "silent" or tuple(seen) == tried


def test_where_nobody_answers_tcp_is_next_and_not_another_wireguard() -> None:
    assert following(("kernel", "userspace", "tcp"), "kernel", "silent") == "tcp"
    assert following(("kernel", "userspace", "tcp"), "kernel", "not made") == "userspace"
    assert following(("tcp", "kernel", "userspace"), "tcp", "silent") == "kernel"
    assert following(("tcp", "kernel", "userspace"), "kernel", "silent") is None


def test_one_silent_wireguard_leaves_tcp_half_of_30_seconds() -> None:
    tried = order(None, ALL, udp_answered=None)
    assert following(tried, tried[0], "silent") == "tcp"
    assert SILENT_SECONDS <= 15


@pytest.mark.parametrize(("said", "mode"), [("", None), ("auto", None), (" TCP ", "tcp"), ("Kernel", "kernel")])
def test_what_link_mode_says_is_read_as_people_write_it(said: str, mode: Mode | None) -> None:
    assert asked_for(said) == mode


def test_a_mode_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(LinkModeUnknown) as refused:
        asked_for("wireguard")
    assert "auto, kernel, userspace, tcp" in refused.value.hint


@pytest.mark.parametrize("version", ["0.0.20220316", "a build of mine"])
def test_an_old_wireguard_go_is_taken_and_called_slow(version: str) -> None:
    around = replace(ALL, wireguard_go=version)
    assert order("userspace", around, udp_answered=None) == ("userspace",)
    assert "a fifth as fast" in str(slowness("userspace", around))


@pytest.mark.parametrize("version", ["0.0.20230223", "0.0.20250522", "v0.1.0"])
def test_a_new_wireguard_go_is_not_called_slow(version: str) -> None:
    around = replace(ALL, wireguard_go=version)
    assert slowness("userspace", around) is None
    assert slowness("kernel", replace(ALL, wireguard_go="0.0.20220316")) is None
