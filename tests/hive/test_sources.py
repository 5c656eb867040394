"""By which name an app is installed, when several sources have one of that name."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.hive.sources import named
from mosaic.wire.api import CatalogApp

words = st.sampled_from(["notes", "wiki", "mail", "chat"])
sources = st.lists(
    st.tuples(st.sampled_from(["folder", "own", "a", "b"]), st.lists(words, unique=True)),
    unique_by=lambda one: one[0],
)


def app(name: str, source: str) -> CatalogApp:
    return CatalogApp(name, name, "", "", [], source=source)


@given(sources)
def test_every_app_has_a_name_of_its_own_and_the_first_source_has_the_plain_one(
    found: list[tuple[str, list[str]]],
) -> None:
    listed = named((source, [app(name, source) for name in names]) for source, names in found)
    assert len({one.app for one in listed}) == len(listed) == sum(len(names) for _, names in found)
    first = {name: source for source, names in reversed(found) for name in names}
    for one in listed:
        source, _, plain = one.app.rpartition("/")
        assert (source or first[plain]) == one.source
        assert bool(source) == (first[plain] != one.source)
