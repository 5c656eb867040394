"""Which names a Hive may have routed, and that two Hives never both may by their domains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.gateway_choice import TUNNELS, choose, serves
from mosaic.core.ids import LinkId
from mosaic.core.name_grants import DomainTaken, DomainUnreadable, Grants, NameNotOfHive, check, check_domain

GRANTS = Grants(frozenset({"apps.example.net"}), frozenset({"others.example.org"}), frozenset({"gw.apps.example.net"}))
labels = st.text("ab-.*", min_size=1, max_size=12)


@pytest.mark.parametrize(
    "name",
    ["a.apps.example.net", "apps.example.net", "x.y.apps.example.net", "www.example.com"],
)
def test_names_of_its_domains_and_such_as_it_vouches_for_are_its(name: str) -> None:
    check(name, GRANTS)


@pytest.mark.parametrize(
    "name",
    [
        "gw.apps.example.net", "others.example.org", "a.others.example.org", "*.example.com", "*.apps.example.net",
        "*.user.apps.example.net",
        "*.others.example.org", "A.apps.example.net", "a.apps.example.net.", "localhost", "192.0.2.1", "", "*", "*.",
        "-a.example.com", "a_b.example.com", "a..example.com", "*.*.apps.example.net", "a" * 64 + ".example.com",
        "xn--ä.example.com", "a.example.com\n",
    ],
)  # fmt: skip
def test_all_other_names_are_refused(name: str) -> None:
    with pytest.raises(NameNotOfHive):
        check(name, GRANTS)


def test_without_vouching_only_its_domains_are_its() -> None:
    alone = Grants(GRANTS.domains, GRANTS.others, GRANTS.reserved, vouches=False)
    check("a.apps.example.net", alone)
    with pytest.raises(NameNotOfHive, match="own domains"):
        check("www.example.com", alone)


@given(labels)
def test_no_name_is_of_two_hives_domains(label: str) -> None:
    mine = Grants(frozenset({"a.test.org"}), frozenset({"b.test.org"}), frozenset(), vouches=False)
    theirs = Grants(frozenset({"b.test.org"}), frozenset({"a.test.org"}), frozenset(), vouches=False)
    allowed = 0
    for grants in (mine, theirs):
        try:
            check(f"{label}.test.org", grants)
            allowed += 1
        except NameNotOfHive:
            pass
    assert allowed < 2


@pytest.mark.parametrize("domain", ["example.net", "apps.example.net", "x.apps.example.net"])
def test_a_domain_that_overlaps_another_hives_is_refused(domain: str) -> None:
    with pytest.raises(DomainTaken):
        check_domain(domain, frozenset({"apps.example.net"}))


def test_what_is_no_domain_is_refused_and_a_neighbour_is_not() -> None:
    check_domain("myapps.example.net", frozenset({"apps.example.net"}))
    with pytest.raises(DomainUnreadable):
        check_domain("Apps.example.net", frozenset())


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.lists(st.sampled_from("abcdef"), unique=True))
def test_a_link_has_two_living_gateways_and_keeps_those_that_it_knows(live: set[str], assigned: list[str]) -> None:
    link = LinkId("a" * 12)
    chosen = choose(link, assigned, live)
    assert len(chosen) == len(set(chosen)) == min(TUNNELS, len(live))
    assert set(chosen) <= live
    assert [name for name in assigned if name in live][:TUNNELS] == list(chosen[: len(set(assigned) & live)])
    assert choose(link, chosen, live) == chosen
    assert all(serves(name, link, assigned, live) for name in (*chosen, *assigned))
