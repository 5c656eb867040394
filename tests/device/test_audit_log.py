"""The Device's audit log: every command, also one that a kill ended; bounded, and whole after whatever happens."""

from pathlib import Path

import anyio
import msgspec
import pytest

from mosaic.core.audit import Entry, broken_at
from mosaic.core.errors import Refused
from mosaic.device import audit_log
from mosaic.device.commands import Commands, EndedBadly
from mosaic.device.records import Records
from mosaic.wire.audit import PAGE_ROWS
from mosaic.wire.command import MAX_OUTPUT, Command, CommandBody, CommandResult, ReadLogs
from support.kill_points import Killed
from support.manual_clock import ManualClock

NOW = 1_000 * 10**9
HEAD = f"7 {'ab' * 32}"


def carried_out(folder: Path, error: BaseException | None = None, *, expires_ns: int = NOW + 1) -> CommandResult:
    async def obey(body: CommandBody) -> str:
        if error is not None:
            raise error
        return "lines"

    with Records(folder / "ledger") as records:
        command = Command("id1", 1, expires_ns, ReadLogs("notesnotes22", "web", 5), HEAD)
        return anyio.run(Commands(records, ManualClock(NOW), obey).carry_out, command)


def log_of(folder: Path) -> list[tuple[str, str]]:
    with Records(folder / "ledger") as records:
        rows = records.audit.page(0).rows
    assert broken_at(rows) == ""
    return [(row.entry.kind, row.entry.outcome) for row in rows]


def test_a_command_is_written_down_as_it_begins_and_with_what_came_of_it(tmp_path: Path) -> None:
    result = carried_out(tmp_path)

    assert log_of(tmp_path) == [("read-logs", "begun"), ("read-logs", "done")]
    with Records(tmp_path / "ledger") as records:
        (begun, done) = records.audit.page(0).rows
        assert result.audit == records.audit.head.text
    assert (begun.entry.subject, begun.entry.said) == ("notesnotes22", {"service": "web", "lines": "5"})
    assert (begun.entry.command, done.entry.other) == ("id1", HEAD)


def test_a_command_that_comes_again_is_not_written_down_again(tmp_path: Path) -> None:
    first = carried_out(tmp_path)

    assert carried_out(tmp_path) == first
    assert len(log_of(tmp_path)) == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Refused("no", hint="else"), "refused"), (EndedBadly("ended with 1", hint="look"), "failed")],
)
def test_what_was_refused_is_told_from_what_was_done_and_failed(
    tmp_path: Path, error: BaseException, outcome: str
) -> None:
    assert carried_out(tmp_path, error).outcome == outcome
    assert log_of(tmp_path)[-1] == ("read-logs", outcome)


def test_a_command_that_came_too_late_is_written_down(tmp_path: Path) -> None:
    carried_out(tmp_path, expires_ns=NOW - 1)

    assert log_of(tmp_path) == [("read-logs", "expired")]


def test_a_command_that_a_kill_ended_stays_as_one_that_was_begun(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        carried_out(tmp_path, Killed())

    assert carried_out(tmp_path).code == "command-interrupted"
    assert log_of(tmp_path) == [("read-logs", "begun")]


def test_old_rows_go_only_from_the_beginning_and_the_chain_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "KEPT", 20)
    monkeypatch.setattr(audit_log, "LET_GO_AT_ONCE", 10)
    with Records(tmp_path / "ledger") as records:
        for n in range(100):
            records.audit.append(Entry(n, "hive", "doctor"))
        page = records.audit.page(0)

    assert broken_at(page.rows) == ""
    assert 20 <= len(page.rows) <= 32
    assert page.rows[-1].n == page.newest


def test_a_page_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    with Records(tmp_path / "ledger") as records:
        for n in range(PAGE_ROWS + 50):
            records.audit.append(Entry(n, "hive", "doctor"))
        first = records.audit.page(0)
        second = records.audit.page(first.rows[-1].n)

    assert broken_at([*first.rows, *second.rows]) == ""
    assert (len(first.rows), len(second.rows)) == (PAGE_ROWS, 50)


def test_a_page_of_large_rows_is_short_enough_for_one_answer(tmp_path: Path) -> None:
    said = {f"input {n}": "é" * 5000 for n in range(20)}
    with Records(tmp_path / "ledger") as records:
        for n in range(30):
            records.audit.append(Entry(n, "hive", "app-action", said=said))
        first = records.audit.page(0)

    assert 0 < len(first.rows) < 30


@pytest.mark.parametrize("letter", ["a", "\0", '"', "\U0001f480"])
def test_whatever_a_command_says_its_row_can_be_read_again(tmp_path: Path, letter: str) -> None:
    """A command is written down before its values are looked at."""
    long = letter * 5_000
    said = {f"{n} {long}": long for n in range(200)}
    with Records(tmp_path / "ledger") as records:
        for n in range(3):
            records.audit.append(Entry(n, "hive", "app-action", long, said=said, command=long, other=long))
        pages = [records.audit.page(after) for after in range(3)]

    assert [page.rows[0].n for page in pages] == [1, 2, 3]
    assert all(len(msgspec.json.encode(page)) < MAX_OUTPUT for page in pages)
    assert broken_at([page.rows[0] for page in pages]) == ""
