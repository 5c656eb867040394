"""The range of raw ports that an operator names."""

import pytest

from mosaic.core.raw_ports import INNER_PORTS, PortRangeUnreadable, parse_range


def test_a_range_has_both_of_its_ends() -> None:
    assert parse_range(" 20000-29999 ") == range(20000, 30000)
    assert parse_range("25565-25565") == range(25565, 25566)
    assert parse_range("61000-65535").stop == 65536


@pytest.mark.parametrize(
    "text", ["", "20000", "a-b", "-", "0-9", "9-1", "1-65536", "٣-٤", "20000-30000-40000", "1-999999"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(PortRangeUnreadable):
        parse_range(text)


def test_ports_within_tunnels_are_never_public_ones() -> None:
    with pytest.raises(PortRangeUnreadable, match="within tunnels"):
        parse_range(f"8000-{INNER_PORTS.start}")
