"""Host ports: kept where they can be, never shared, always the same for the same question."""

from collections.abc import Mapping, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import compose_ports
from mosaic.core.compose_document import Compose, ComposeInvalid, Json, read_compose
from mosaic.core.compose_ports import read_ports
from mosaic.core.ids import ServiceName
from mosaic.core.ports import Assigned, NoPortFree, PortKey, Wanted, allocate
from mosaic.core.rendering import wanted_ports

WEB = PortKey("web", 80, "tcp")
keys = st.builds(PortKey, st.sampled_from(["web", "db"]), st.integers(80, 82), st.sampled_from(["tcp", "udp"]))
wishes = st.lists(st.builds(Wanted, keys, st.none() | st.integers(8080, 8084)), max_size=8)
taken = st.frozensets(st.tuples(st.sampled_from(["tcp", "udp"]), st.integers(8080, 8086)))
preferred = st.dictionaries(keys, st.integers(8080, 8090))


@given(wishes, taken, preferred)
def test_no_port_is_given_twice_or_taken_from_another(
    wanted: list[Wanted], used: Set[tuple[str, int]], earlier: Mapping[PortKey, int]
) -> None:
    given_out = allocate(wanted, used, earlier)
    ports = [(one.key.protocol, one.host_port) for one in given_out]
    assert [one.key for one in given_out] == [one.key for one in wanted]
    assert len(ports) == len(set(ports))
    assert not set(ports) & used
    assert given_out == allocate(wanted, used, earlier)


@given(wishes, taken)
def test_asking_again_with_what_was_given_changes_nothing(wanted: list[Wanted], used: Set[tuple[str, int]]) -> None:
    unique = list({one.key: one for one in wanted}.values())
    first = allocate(unique, used, {})
    assert allocate(unique, used, {one.key: one.host_port for one in first}) == first


def test_a_literal_port_is_kept_or_the_next_free_one_taken() -> None:
    assert allocate([Wanted(WEB, 8080)], set(), {}) == [Assigned(WEB, 8080)]
    assert allocate([Wanted(WEB, 8080)], {("tcp", 8080), ("tcp", 8081)}, {}) == [Assigned(WEB, 8082)]
    assert allocate([Wanted(WEB, 8080)], {("udp", 8080)}, {}) == [Assigned(WEB, 8080)]


def test_a_range_that_is_all_taken_is_refused() -> None:
    with pytest.raises(NoPortFree, match="from 8080 to 8081") as refused:
        allocate([Wanted(WEB, 8080, 8081)], {("tcp", 8080), ("tcp", 8081)}, {})
    assert refused.value.hint
    with pytest.raises(NoPortFree):
        allocate([Wanted(WEB, 65535)], {("tcp", 65535)}, {})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("80", [Wanted(WEB)]),
        (80, [Wanted(WEB)]),
        ("8080:80", [Wanted(WEB, 8080)]),
        ("127.0.0.1:8080:80/tcp", [Wanted(WEB, 8080)]),
        ("127.0.0.1::80", [Wanted(WEB)]),
        ("[::1]:8080:80", [Wanted(WEB, 8080)]),
        ("8080-8090:80", [Wanted(WEB, 8080, 8090)]),
        ("8080-8081:80-81", [Wanted(WEB, 8080), Wanted(PortKey("web", 81, "tcp"), 8081)]),
        ("53:80/udp", [Wanted(PortKey("web", 80, "udp"), 53)]),
        ({"target": 80, "published": 8080}, [Wanted(WEB, 8080)]),
        ({"target": "80-81"}, [Wanted(WEB), Wanted(PortKey("web", 81, "tcp"))]),
    ],
)
def test_a_port_is_read_however_it_is_written(entry: Json, expected: list[Wanted]) -> None:
    assert read_ports(ServiceName("web"), [entry]) == expected


@pytest.mark.parametrize(
    "entry",
    [
        *["", "web", "0:80", "80:70000", "8081-8080:80", "80-82:80-81", "80/icmp", 180030, None, True],
        *[{"published": 1}, {"target": 80, "protocol": "icmp"}, {"target": "x"}],
    ],
)
def test_what_is_no_port_is_refused_with_a_hint(entry: Json) -> None:
    with pytest.raises(ComposeInvalid) as refused:
        read_ports(ServiceName("web"), [entry])
    assert refused.value.hint


def publishing(**services: list[Json]) -> Compose:
    return read_compose({"services": {name: {"image": name, "ports": ports} for name, ports in services.items()}})


@pytest.mark.parametrize(
    "compose",
    [
        publishing(a=["1-65535"] * 40),
        publishing(a=["1-4096"], b=["1"]),
        publishing(a=[{"target": "1-2049"}], b=["20001-22048:1-2048/udp"]),
    ],
    ids=["one-service", "one-more", "two-halves"],
)
def test_an_app_that_publishes_more_ports_than_an_app_may_is_refused_before_they_are_written_out(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(compose_ports, "Wanted", lambda *_: made.append(1))
    with pytest.raises(ComposeInvalid, match="more than 4096 ports") as refused:
        wanted_ports(compose)
    assert refused.value.hint
    assert len(made) <= 4096


def test_as_many_ports_as_an_app_may_publish_are_each_given_a_host_port() -> None:
    wanted = wanted_ports(publishing(a=["1-2048"], b=["1-2048"]))
    assert len({one.host_port for one in allocate(wanted, {("tcp", 20001)}, {})}) == 4096
