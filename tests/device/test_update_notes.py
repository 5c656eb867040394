"""What an assignment means once an update counts that its Hive may not have heard of."""

from msgspec.structs import replace

from mosaic.device.update_notes import Taken, effective, is_known
from mosaic.wire.assignment import Assignment, GoingBack
from mosaic.wire.updating import Update

OLD, NEW, OTHER = "sha256:old", "sha256:new", "sha256:other"
TAKEN = Taken(
    "wish",
    NEW,
    OLD,
    config_revision=3,
    epoch="1.1",
    going_back=None,
    catalog="ours",
    approval="ab",
    images={"web": "id"},
)
WISHED = Assignment(
    installation="notesnotes22", name="notes", app="notes", app_digest=OLD, config_revision=3, goal="run",
    epoch="1.1", failover="manual", update=Update("wish", NEW), images={"web": "old"}, catalog="theirs",
)  # fmt: skip
CALLED_OFF = replace(WISHED, update=None)


def test_the_wish_that_was_carried_out_is_the_new_version() -> None:
    meant = effective(WISHED, TAKEN)
    assert (meant.app_digest, meant.update, meant.catalog, meant.approval) == (NEW, None, "ours", "ab")
    assert meant.images == {"web": "id"}


def test_a_wish_that_is_gone_while_nothing_else_changed_is_the_new_version() -> None:
    assert not is_known(CALLED_OFF, TAKEN)
    assert effective(CALLED_OFF, TAKEN).app_digest == NEW


def test_config_that_changed_under_the_wish_is_config_of_the_new_version() -> None:
    meant = effective(replace(WISHED, config_revision=4), TAKEN)
    assert (meant.app_digest, meant.config_revision) == (NEW, 4)


def test_another_wish_is_one_to_leave_the_new_version() -> None:
    other = Update("other", OTHER)
    meant = effective(replace(WISHED, update=other), TAKEN)
    assert (meant.app_digest, meant.update) == (NEW, other)


def test_what_was_decided_later_is_done_as_it_says() -> None:
    later = replace(CALLED_OFF, config_revision=4)
    back = replace(CALLED_OFF, going_back=GoingBack("back", "volume", "head", NEW))
    named = replace(CALLED_OFF, app_digest=NEW)
    for item in (later, back, named):
        assert is_known(item, TAKEN)
        assert effective(item, TAKEN) == item


def test_a_wish_to_go_back_that_is_older_than_the_update_decides_nothing() -> None:
    back = GoingBack("back", "volume", "head", OLD)
    before = replace(TAKEN, going_back="back")
    assert effective(replace(CALLED_OFF, going_back=back), before).app_digest == NEW


def test_a_hive_that_knew_and_names_the_version_before_is_obeyed() -> None:
    assert effective(CALLED_OFF, replace(TAKEN, known=True)) == CALLED_OFF
