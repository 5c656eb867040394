"""The lines in which ports of the machine are lent to a Device's own engine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.lent_port import LONGEST_LINE, End, Lend, LentPort, ListLent, Protocol, line, parse, read, written

protocols: st.SearchStrategy[Protocol] = st.sampled_from(["tcp", "udp"])
ports = st.builds(
    LentPort,
    protocols,
    st.sampled_from(["127.0.0.1", "0.0.0.0", "::", "::1"]),
    st.integers(min_value=1, max_value=65535),
)
requests = st.one_of(st.builds(Lend, ports), st.builds(End, ports), st.just(ListLent()))


@given(requests)
def test_a_request_is_read_as_it_was_written_and_fits_one_line(request: Lend | End | ListLent) -> None:
    assert parse(line(request)) == request
    assert "\n" not in line(request)
    assert len(line(request)) < LONGEST_LINE


@given(ports)
def test_a_port_is_read_as_it_was_written(port: LentPort) -> None:
    assert read(written(port)) == port


@given(st.text(max_size=60))
def test_no_other_line_is_a_request(text: str) -> None:
    request = parse(text)
    # A number may be written with zeros before it; nothing else has two spellings.
    assert request is None or parse(line(request)) == request


@pytest.mark.parametrize(
    "text",
    ["", "lend", "lend tcp 127.0.0.1", "lend tcp 127.0.0.1 0", "lend tcp 127.0.0.1 65536", "lend tcp 127.0.0.1 -1",
     "lend tcp 127.0.0.1 ²", "lend sctp 127.0.0.1 80", "lend tcp  80", "take tcp 127.0.0.1 80", "list all"],
)  # fmt: skip
def test_what_names_no_port_is_refused(text: str) -> None:
    assert parse(text) is None
