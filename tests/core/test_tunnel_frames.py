"""What is said on a proven connection of TCP mode, and how many are kept ahead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.tunnel_frames import (
    CONTROL_BYTES,
    OPENING_BYTES,
    Carries,
    Opening,
    Said,
    read_control,
    read_length,
    read_opening,
    write_control,
    write_datagram,
    write_opening,
)
from mosaic.core.tunnel_pool import FEWEST, MOST, after_asking, after_calm, pause_seconds


@given(st.sampled_from(Carries), st.integers(1, 65535))
def test_an_opening_is_read_as_it_was_written(carries: Carries, port: int) -> None:
    said = write_opening(Opening(carries, port))
    assert len(said) == OPENING_BYTES
    assert read_opening(said) == Opening(carries, port)


def test_the_openings_bytes_are_those_that_were_written_down() -> None:
    assert write_opening(Opening(Carries.STREAM, 8443)) == b"\x01\x20\xfb"
    assert write_control(Said.PING, 258) == b"\x01\0\0\0\0\0\0\x01\x02"


@pytest.mark.parametrize("said", [b"\x00\x20\xfb", b"\x03\x20\xfb", b"\x01\x00\x00"])
def test_what_is_no_opening_is_none(said: bytes) -> None:
    assert read_opening(said) is None


@given(st.sampled_from(Said), st.integers(0, 2**64 - 1))
def test_a_control_frame_is_read_as_it_was_written(said: Said, number: int) -> None:
    assert read_control(write_control(said, number)) == (said, number)


@given(st.binary(min_size=CONTROL_BYTES, max_size=CONTROL_BYTES))
def test_a_frame_of_a_kind_that_is_not_known_is_told_from_those_that_are(frame: bytes) -> None:
    said, _ = read_control(frame)
    assert (said is None) == (frame[0] not in {1, 2, 3, 4})


@given(st.binary(max_size=65535))
def test_a_datagram_is_as_long_as_it_says(datagram: bytes) -> None:
    said = write_datagram(datagram)
    assert said[2:] == datagram
    assert read_length(said[:2]) == len(datagram)


def test_a_pool_that_is_asked_for_more_grows_to_the_most_and_a_calm_one_comes_down_to_the_few() -> None:
    grown = [FEWEST]
    while grown[-1] < MOST:
        grown.append(after_asking(grown[-1]))
    assert grown == [8, 16, 32, 64]
    assert after_asking(MOST) == MOST
    assert [after_calm(wanted) for wanted in (64, 16, 8)] == [32, 8, 8]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_longer_than_ten_seconds_and_the_first_is_short(failures: int, drawn: float) -> None:
    assert 0 <= pause_seconds(failures, drawn) < 10
    assert pause_seconds(1, drawn) < 0.25
