"""Audit logs: whatever somebody does to one is found, alone or by comparing it with the other side's."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.audit import NOTHING, Entry, Head, Row, after, broken_at, follow, head_text, letting_go, read_head
from mosaic.core.audit_compare import CAME_BACK, compare

TEXTS = st.text(max_size=20)
ENTRIES = st.builds(
    Entry,
    at_ns=st.integers(0, 2**62),
    by=st.sampled_from(["owner", "scheduler"]),
    kind=TEXTS,
    subject=TEXTS,
    device=TEXTS,
    said=st.dictionaries(TEXTS, TEXTS, max_size=3),
    outcome=TEXTS,
    command=TEXTS,
    other=TEXTS,
)


class Chain:
    """A log that is being written."""

    def __init__(self) -> None:
        self.head = Head()
        self.rows: list[Row] = []

    def add(self, entry: Entry) -> str:
        row = follow(self.head, entry)
        self.rows.append(row)
        self.head = after(self.head, row)
        return self.head.text

    def cut(self, n: int) -> None:
        """Go back to the state with `n` rows."""
        del self.rows[n:]
        self.head = Head(n, self.rows[-1].hash if self.rows else NOTHING)


class Pair:
    """A Hive and its Device attic, each with its log."""

    def __init__(self) -> None:
        self.hive, self.attic = Chain(), Chain()
        self.count = 0

    def order(self, times: int = 1, kind: str = "doctor") -> None:
        for _ in range(times):
            self.count += 1
            said = Entry(self.count, "owner", kind, device="a1", command=f"c{self.count}")
            told = self.hive.add(replace(said, outcome="ordered"))
            self.attic.add(replace(said, outcome="begun", device="", other=told))
            known = self.attic.add(replace(said, outcome="done", device="", other=told))
            self.hive.add(replace(said, outcome="done", other=known))

    def verdicts(self) -> list[tuple[str, str]]:
        found = compare(self.hive.rows, self.attic.rows, name="attic", device_id="a1")
        return [(each.side, each.verdict) for each in found]


def chain(entries: list[Entry]) -> list[Row]:
    made = Chain()
    for entry in entries:
        made.add(entry)
    return made.rows


@given(st.lists(ENTRIES, max_size=8))
def test_a_chain_that_nobody_touched_is_whole(entries: list[Entry]) -> None:
    assert broken_at(chain(entries)) == ""


@given(st.lists(ENTRIES, min_size=1, max_size=6), st.data())
def test_a_row_that_was_changed_is_named(entries: list[Entry], data: st.DataObject) -> None:
    rows = chain(entries)
    at = data.draw(st.integers(0, len(rows) - 1))
    other = data.draw(ENTRIES.filter(lambda entry: entry != rows[at].entry))

    rows[at] = replace(rows[at], entry=other)

    assert broken_at(rows) == f"row {at + 1} was changed"


@given(st.lists(ENTRIES, min_size=2, max_size=6), st.data())
def test_a_row_that_was_replaced_with_its_hash_is_found(entries: list[Entry], data: st.DataObject) -> None:
    rows = chain(entries)
    at = data.draw(st.integers(0, len(rows) - 2))
    other = data.draw(ENTRIES.filter(lambda entry: follow(Head(at, rows[at].previous), entry).hash != rows[at].hash))

    rows[at] = follow(Head(at, rows[at].previous), other)

    assert broken_at(rows) == f"row {at + 2} does not follow row {at + 1}: one of the two was replaced"


@given(st.lists(ENTRIES, min_size=2, max_size=6), st.data())
def test_rows_that_were_removed_are_named(entries: list[Entry], data: st.DataObject) -> None:
    rows = chain(entries)
    at = data.draw(st.integers(0, len(rows) - 2))

    del rows[at]

    assert broken_at(rows).startswith(f"row {at + 1} was removed")


@given(st.lists(ENTRIES, min_size=2, max_size=6), st.data())
def test_rows_in_another_order_are_found(entries: list[Entry], data: st.DataObject) -> None:
    rows = chain(entries)
    shuffled = data.draw(st.permutations(rows).filter(lambda other: list(other) != rows))

    assert broken_at(shuffled)


def test_rows_go_from_the_beginning_only_after_a_row_has_said_so() -> None:
    made = Chain()
    for n in range(5):
        made.add(Entry(n, "owner", "doctor"))
    silently = made.rows[3:]
    made.add(letting_go(made.rows[2], now_ns=9))

    assert broken_at(silently) == "rows 1 to 3 were removed, and no row says that they were let go"
    assert broken_at(made.rows[3:]) == ""
    assert broken_at(made.rows[4:]).startswith("rows 1 to 4 were removed")


def test_a_long_text_and_one_that_is_no_utf8_are_written_down_all_the_same() -> None:
    rows = chain([Entry(1, "owner", "app-action", "\ud800", said={"input what": "x" * 10_000})])

    assert broken_at(rows) == ""
    assert len(rows[0].entry.said["input what"]) == 1000


@given(st.integers(0, 10**15), TEXTS)
def test_a_head_is_read_as_it_was_written_and_nothing_else_is_one(n: int, text: str) -> None:
    assert read_head(head_text(n, NOTHING)) == (n, NOTHING)
    assert read_head(text) is None


def test_two_logs_that_nobody_touched_fit() -> None:
    pair = Pair()
    pair.order(5)

    assert pair.verdicts() == []


def test_a_hive_that_wrote_its_log_anew_is_found_by_what_its_device_was_told() -> None:
    pair = Pair()
    pair.order(4)
    rows, pair.hive = pair.hive.rows, Chain()
    for row in rows:
        pair.hive.add(replace(row.entry, kind="restart") if row.n == 3 else row.entry)

    assert pair.verdicts()[0] == ("hive", "changed")


def test_a_device_that_wrote_its_log_anew_is_found_by_what_the_hive_was_told() -> None:
    pair = Pair()
    pair.order(4)
    rows, pair.attic = pair.attic.rows, Chain()
    for row in rows:
        pair.attic.add(replace(row.entry, outcome="refused") if row.n == 2 else row.entry)

    assert pair.verdicts() == [("attic", "changed")]


def test_a_log_of_the_hive_that_was_cut_is_found_also_when_it_went_on_since() -> None:
    for more in (0, 3):
        pair = Pair()
        pair.order(4)
        pair.hive.cut(4)
        pair.order(more)

        assert ("hive", "cut") in pair.verdicts()


def test_a_log_of_a_device_that_was_cut_is_found_also_when_it_went_on_since() -> None:
    pair = Pair()
    pair.order(4)
    pair.attic.cut(4)
    pair.order(2)

    assert pair.verdicts() == [("attic", "cut")]


def test_an_order_that_was_taken_out_of_the_middle_is_found() -> None:
    pair = Pair()
    pair.order(4)
    rows, pair.hive = pair.hive.rows, Chain()
    for row in rows:
        if row.entry.command != "c2":
            pair.hive.add(row.entry)

    assert ("hive", "changed") in pair.verdicts()


def test_a_hive_that_came_back_from_an_older_copy_is_not_accused() -> None:
    pair = Pair()
    pair.order(4)
    pair.hive.cut(6)
    pair.hive.add(Entry(9, "hive", CAME_BACK))
    pair.order(3)

    assert pair.verdicts() == [("hive", "came-back")]


def test_two_sides_that_say_different_things_of_one_command_are_found() -> None:
    pair = Pair()
    pair.order(1)
    said = Entry(9, "owner", "doctor", device="a1", command="c9", outcome="ordered")
    told = pair.hive.add(said)
    pair.attic.add(replace(said, kind="restart", outcome="done", other=told))

    assert pair.verdicts() == [("attic", "differs")]


def test_what_the_hive_wrote_after_the_device_was_read_accuses_nobody() -> None:
    pair = Pair()
    pair.order(3)
    read = list(pair.attic.rows[:-1])
    pair.attic.rows, late = read, pair.attic.rows

    assert pair.verdicts() == []
    assert len(late) == len(read) + 1
