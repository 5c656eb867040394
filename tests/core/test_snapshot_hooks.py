"""What an app may say about its snapshots, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.app import fill_in
from mosaic.core.compose_document import ComposeInvalid
from mosaic.core.ids import ServiceName
from mosaic.core.snapshot_hooks import (
    Hook,
    SnapshotHooks,
    due_in_seconds,
    last_words,
    snapshot_hooks,
    values_to_hide,
)

BEFORE = {"service": "db", "command": ["pg_dump", "-f", "/dump/app"]}
SECOND_NS = 10**9


def read(wish: object, **about: object) -> SnapshotHooks | None:
    services = {"db": {"image": "db:1"}, "web": {"image": "web:1"}}
    compose = fill_in({"services": services, "x-mosaic": {"snapshot": wish, **about}}, variables={"USER": "notes"})
    return snapshot_hooks(compose)


def test_hooks_are_argument_lists_with_deadlines() -> None:
    after = {"service": "web", "command": ["wake", "$USER", "$$HOME"], "timeout_seconds": 5}
    assert read({"before": BEFORE, "after": after, "every_seconds": 600}, title="Notes") == SnapshotHooks(
        before=Hook(ServiceName("db"), ("pg_dump", "-f", "/dump/app"), 60),
        after=Hook(ServiceName("web"), ("wake", "notes", "$HOME"), 5),
        every_seconds=600,
    )


def test_an_app_that_says_nothing_has_no_hooks() -> None:
    assert snapshot_hooks(fill_in({"services": {"db": {"image": "db:1"}}}, variables={})) is None


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({}, "names no command to run before"),
        ({"after": BEFORE}, "names no command to run before"),
        ({"before": BEFORE, "every": 60}, "has the key every"),
        ({"before": {**BEFORE, "shell": True}}, "has the key shell"),
        ({"before": {**BEFORE, "service": "dp"}}, "names the service dp"),
        ({"before": {"command": ["x"]}}, "before.service is empty"),
        ({"before": {**BEFORE, "command": "pg_dump -f x"}}, "is one text"),
        ({"before": {**BEFORE, "command": []}}, "is empty"),
        ({"before": {**BEFORE, "command": ["x" * 9000]}}, "is longer than"),
        ({"before": {**BEFORE, "timeout_seconds": 0}}, "from 1 to 1800"),
        ({"before": {**BEFORE, "timeout_seconds": True}}, "from 1 to 1800"),
        ({"before": BEFORE, "every_seconds": 59}, "from 60 to 604800"),
        ([BEFORE], "is a list, not a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(wish: object, said: str) -> None:
    with pytest.raises(ComposeInvalid, match=said):
        read(wish)


def test_a_misspelled_word_beside_snapshot_is_refused_too() -> None:
    with pytest.raises(ComposeInvalid, match="the key snapshots"):
        read({"before": BEFORE}, snapshots={})


def test_the_last_words_are_one_short_line_without_secrets() -> None:
    hidden = values_to_hide({"PGPASSWORD": "hunter22", "POSTGRES_DB": "notes"})
    said = "begin\nnotes: cannot log in with hunter22 at postgres://me:pw@db/notes\x1b[0m\n\n"
    assert last_words(said, hidden) == "notes: cannot log in with … at postgres://…@db/notes [0m"
    assert len(last_words("x" * 5000, frozenset())) == 200


@given(st.text(max_size=300), st.sets(st.text(min_size=4, max_size=12), max_size=4))
def test_no_hidden_value_is_ever_in_them(output: str, secrets: set[str]) -> None:
    words = last_words(output, secrets)
    assert all(secret not in words for secret in secrets if "…" not in secret and secret not in "://…@")


@given(
    every=st.integers(60, 604800),
    now=st.integers(0, 10**9),
    last=st.none() | st.integers(0, 10**9),
    failures=st.integers(0, 100),
    failed=st.integers(0, 10**9),
)
def test_nobody_waits_longer_than_one_interval(
    every: int, now: int, last: int | None, failures: int, failed: int
) -> None:
    due = due_in_seconds(
        every,
        now_ns=now * SECOND_NS,
        last_ns=None if last is None else last * SECOND_NS,
        failures=failures,
        failed_ns=failed * SECOND_NS,
    )
    assert 0 <= due <= every


def test_a_failure_is_tried_again_after_a_minute_then_more_seldom() -> None:
    waits = [due_in_seconds(3600, now_ns=0, last_ns=None, failures=count, failed_ns=0) for count in range(9)]
    assert waits == [0, 60, 120, 240, 480, 960, 1920, 3600, 3600]
