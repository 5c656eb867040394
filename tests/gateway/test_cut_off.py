"""How long a gateway goes on without its database, and how often it says so."""

from mosaic.gateway.cut_off import LONGEST_NS, TOLD_NS, CutOff


def test_beside_others_it_is_over_after_an_hour_and_begins_anew_when_the_database_answers() -> None:
    one = CutOff(0)
    one.has_others(has_others=True)
    assert not one.is_over(LONGEST_NS)
    assert one.is_over(LONGEST_NS + 1)
    one.heard(LONGEST_NS + 1)
    assert not one.is_over(2 * LONGEST_NS)


def test_alone_it_is_never_over() -> None:
    assert not CutOff(0).is_over(10 * LONGEST_NS)


def test_it_is_said_each_minute_and_for_how_long_it_goes_on() -> None:
    one = CutOff(0)
    assert one.to_tell(TOLD_NS - 1) is None
    assert one.to_tell(TOLD_NS) == (60, None)
    assert one.to_tell(TOLD_NS + 1) is None
    one.has_others(has_others=True)
    assert one.to_tell(2 * TOLD_NS) == (120, 3480)
    one.heard(3 * TOLD_NS)
    assert one.to_tell(3 * TOLD_NS) is None
