"""Each command happens once."""

from pathlib import Path

import anyio
import pytest

from mosaic.core.errors import NotFound
from mosaic.device.commands import Commands
from mosaic.device.records import Records
from mosaic.wire.command import Command, CommandBody, CommandResult, DiskSpace
from support.kill_points import Killed
from support.manual_clock import ManualClock

NOW = 1_000 * 10**9


class Obeyed:
    """Counts what was carried out; `error` is raised instead of answering."""

    def __init__(self) -> None:
        self.times = 0
        self.error: BaseException | None = None
        self.output = "done"

    async def __call__(self, body: CommandBody) -> str:
        self.times += 1
        if self.error is not None:
            raise self.error
        return self.output


def order(expires_ns: int = NOW + 1) -> Command:
    return Command("id1", 1, expires_ns, DiskSpace())


def carried_out(folder: Path, obeyed: Obeyed, command: Command, *, offset_ns: int = 0) -> CommandResult:
    records = Records(folder / "ledger")
    try:
        commands = Commands(records, ManualClock(NOW), obeyed)
        return anyio.run(lambda: commands.carry_out(command, offset_ns=offset_ns))
    finally:
        records.close()


def test_a_command_that_comes_again_gets_the_same_answer_and_is_not_done_twice(tmp_path: Path) -> None:
    obeyed = Obeyed()

    first = carried_out(tmp_path, obeyed, order())
    second = carried_out(tmp_path, obeyed, order())

    assert first == second
    assert obeyed.times == 1


def test_a_command_that_a_kill_ended_is_not_begun_again(tmp_path: Path) -> None:
    obeyed = Obeyed()
    obeyed.error = Killed()
    with pytest.raises(Killed):
        carried_out(tmp_path, obeyed, order())

    answer = carried_out(tmp_path, obeyed, order())

    assert (answer.outcome, answer.code, obeyed.times) == ("failed", "command-interrupted", 1)


def test_a_command_that_comes_too_late_is_not_done(tmp_path: Path) -> None:
    obeyed = Obeyed()

    assert carried_out(tmp_path, obeyed, order(NOW - 1)).outcome == "expired"
    assert obeyed.times == 0


def test_a_command_expires_by_the_clock_of_the_hive(tmp_path: Path) -> None:
    assert carried_out(tmp_path, Obeyed(), order(NOW - 1), offset_ns=-10).outcome == "done"


def test_a_refusal_keeps_its_code_and_hint(tmp_path: Path) -> None:
    obeyed = Obeyed()
    obeyed.error = NotFound("there is no such app", hint="look")

    answer = carried_out(tmp_path, obeyed, order())

    assert (answer.outcome, answer.code, answer.hint) == ("refused", "not-found", "look")


def test_of_a_long_output_the_end_is_kept(tmp_path: Path) -> None:
    obeyed = Obeyed()
    obeyed.output = "é" * 300_000 + "end"

    output = carried_out(tmp_path, obeyed, order()).output

    assert len(output.encode()) <= 256 * 1024
    assert output.endswith("end")
