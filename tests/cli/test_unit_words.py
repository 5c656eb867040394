"""What a unit's program wrote last is its own words, and not those of systemd about it."""

from mosaic.cli.up import unit_words


def test_only_the_programs_own_lines_are_asked_for_and_only_those_of_this_start() -> None:
    """systemd writes five lines about each restart; three of those would push an error out of what is shown."""
    words = unit_words.words("mosaic-device.service", 12, since=1_800_000_000)
    assert words[-1] == "_TRANSPORT=stdout"
    assert words[words.index("--since") + 1] == "@1800000000"
    assert words[words.index("--unit") + 1] == "mosaic-device.service"
