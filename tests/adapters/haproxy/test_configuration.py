"""What HAProxy is told at its start."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.haproxy.configuration import (
    MOST_CONNECTIONS,
    RunAs,
    Settings,
    connections_within,
    mark_of,
    render,
)

USUAL = Settings((("0.0.0.0", 443),), (("0.0.0.0", 80),), 1000)


@given(st.integers(min_value=400, max_value=2**40))
def test_connections_leave_descriptors_to_spare(descriptors: int) -> None:
    connections = connections_within(descriptors)
    assert 0 < 2 * connections <= descriptors - 200
    assert connections <= MOST_CONNECTIONS


def test_every_setting_changes_the_mark_by_which_a_running_one_is_known() -> None:
    others = [
        replace(USUAL, tls=(("0.0.0.0", 8443),)),
        replace(USUAL, plain=()),
        replace(USUAL, connections=2000),
        replace(USUAL, per_source=20),
        replace(USUAL, per_name=20),
        replace(USUAL, run_as=RunAs(7, 8)),
        replace(USUAL, threads=1),
    ]
    marks = {mark_of(render(settings)) for settings in (USUAL, *others)}
    assert len(marks) == len(others) + 1
    assert mark_of(render(replace(USUAL))) == mark_of(render(USUAL))


def test_ipv4_never_comes_through_a_socket_of_ipv6() -> None:
    told = render(replace(USUAL, tls=(("::", 443), ("0.0.0.0", 443))))
    assert "    bind [::]:443 v6only\n    bind 0.0.0.0:443\n" in told


def test_only_who_starts_as_root_is_locked_in() -> None:
    assert "chroot" not in render(USUAL)
    assert "    chroot empty\n    uid 7\n    gid 8\n" in render(replace(USUAL, run_as=RunAs(7, 8)))


def test_without_a_plain_listener_there_is_no_port_80() -> None:
    told = render(replace(USUAL, plain=()))
    assert "mode http" not in told
