"""What the doctor says of the Hive's own copy."""

import pytest

from mosaic.cli.hive_words import HiveUnsafe, require_safe, state_words
from mosaic.wire.hive_backup import Awaited, BackupStatus, HiveState

NOW = 10**18
MINUTE = 60 * 10**9
GOOD = BackupStatus("/mnt/nas", False, NOW - 2 * MINUTE, NOW - 2 * MINUTE, 7)


def state(backup: BackupStatus | None, unsaved_ns: int | None = None) -> HiveState:
    return HiveState(backup is not None, backup, unsaved_ns, False)


def test_a_copy_says_its_age_and_where_it_is() -> None:
    said = require_safe(state(GOOD), NOW)
    assert said.startswith("2 min")
    assert said.endswith(" ago, on another machine")
    assert state_words(state(GOOD), NOW) == [f"The Hive's own copy: {said}"]


def test_a_copy_on_the_hives_own_machine_is_said_to_die_with_it() -> None:
    here = BackupStatus("/srv/copies", True, NOW, NOW, 7)
    assert "with which it dies" in require_safe(state(here), NOW)
    assert "mosaic hive backup set" in require_safe(state(None), NOW)


@pytest.mark.parametrize(
    "unsafe",
    [
        HiveState(True, None, None, False),
        state(BackupStatus("/mnt/nas", False, NOW, NOW, 7, 0, "store-full", "it is full", "free space there")),
        state(GOOD, NOW - 60 * MINUTE),
        HiveState(True, GOOD, None, True, [Awaited("00", "cellar")]),
    ],
)
def test_a_copy_that_fails_is_late_or_is_waited_for_does_not_hold(unsafe: HiveState) -> None:
    with pytest.raises(HiveUnsafe) as found:
        require_safe(unsafe, NOW)
    assert found.value.hint


def test_a_recovered_hive_names_those_it_waits_for() -> None:
    said = "\n".join(state_words(HiveState(True, GOOD, None, True, [Awaited("00", "cellar")]), NOW))
    assert "cellar" in said
    assert "--waive" in said
