"""Where the links of a package lead: followed by name alone, through every other link on the way."""

import time

import pytest

from mosaic.core.symlinks import fault

STAY = {
    "a neighbour": {"app/now": "v1"},
    "up and down again": {"a/b/link": "../../conf/x"},
    "the package itself": {"a/root": ".."},
    "through another link": {"now": "versions/1", "conf": "now/conf"},
    "up from where another link leads": {"deep": "a/b/c", "link": "deep/../../x"},
    "nothing that is there": {"link": "missing/file"},
    "with needless parts": {"link": ".//a/./b/"},
}

LEAVE = {
    "straight": {"link": "../x"},
    "absolute": {"link": "/etc"},
    "by way of the package": {"link": "a/../../x"},
    "through a link to the package": {"a/root": "..", "a/host": "root/.."},
    "through a link that passes another": {"a/b/one": "../..", "a/two": "b/one", "a/b/three": "../two/../etc"},
    "through a link to an absolute path": {"a": "b/etc", "b": "/"},
    "and back in": {"link": "../package/x"},
}


@pytest.mark.parametrize("links", STAY.values(), ids=STAY)
def test_a_link_that_stays_is_no_fault(links: dict[str, str]) -> None:
    assert fault(links, links) is None


@pytest.mark.parametrize("links", LEAVE.values(), ids=LEAVE)
def test_a_link_that_leaves_is_a_fault_however_it_gets_there(links: dict[str, str]) -> None:
    assert "leads out of the package" in str(fault(links, links))


@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "c/x", "c": "a"}, {"a": "x/../a"}])
def test_a_link_that_leads_in_a_circle_is_a_fault(links: dict[str, str]) -> None:
    assert "in a circle" in str(fault(links, links))


@pytest.mark.parametrize("names", [["a", "a/b"], ["a/b", "a"], ["a", "a/b/c/d"]])
def test_nothing_lies_below_a_link_in_whatever_order_they_come(names: list[str]) -> None:
    assert "lies below a, which is a link" in str(fault(names, {"a": "x"}))


@pytest.mark.parametrize("target", ["", "a\0b", "x/" * 3000])
def test_a_link_to_what_is_no_path_is_a_fault(target: str) -> None:
    assert fault(["a"], {"a": target}) == "a is a link to something that is no path"


def test_an_entry_deeper_or_longer_than_any_app_needs_is_a_fault() -> None:
    assert "64 folders" in str(fault(["a/" * 65 + "a"], {}))
    assert "longer" in str(fault(["a" * 5000], {}))
    assert fault(["a/" * 64 + "a"], {}) is None


def test_the_worst_package_is_judged_in_seconds() -> None:
    """As many links as a bundle has, each as long as one may be: nobody keeps a Device busy."""
    winding = f"{'x' * 30}/../" * 115
    links = {f"{'a/' * 64}{'b' * 3900}{number:04}": f"{winding}{number}" for number in range(4096)}
    begun = time.process_time()

    assert fault(links, links) is None
    assert time.process_time() - begun < 20
