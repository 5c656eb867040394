"""The picture of an app, drawn from its name."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from mosaic.hive.console.picture import draw


@given(st.text())
def test_every_name_draws_forty_nine_stones_in_known_colours(name: str) -> None:
    drawn = ElementTree.fromstring(draw(name))
    paths = drawn.findall("{http://www.w3.org/2000/svg}path")
    assert sum(path.attrib["d"].count("M") for path in paths) == 49 + 1  # the ground is one more


def test_a_name_always_draws_the_same_picture_and_another_name_another() -> None:
    assert draw("notes") == draw("notes")
    assert draw("notes") != draw("matrix")
