"""A router is brought from the routes that it has to those that are wanted."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route, difference

routes = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Route, st.sampled_from("xy").map(LinkId), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
)


@given(routes, routes)
def test_what_is_changed_makes_what_is_had_what_is_wanted(have: dict[str, Route], want: dict[str, Route]) -> None:
    changes = difference(have, want)
    kept = {name: route for name, route in have.items() if name not in changes.removed}
    assert {**kept, **changes.put} == want


@given(routes, routes)
def test_nothing_is_changed_that_is_right_already(have: dict[str, Route], want: dict[str, Route]) -> None:
    changes = difference(have, want)
    assert bool(changes) == (have != want)
    assert all(have.get(name) != route for name, route in changes.put.items())
