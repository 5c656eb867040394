"""Imperative commands: each carried out once, whatever is lost or repeated.

A command is noted in the ledger before it is begun, and its result before it
is answered. One that comes again gets the same answer; one that a kill ended
is not begun a second time. Both notes go into the audit log in the same write,
with the head of the Hive's log that came with the command.
"""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from mosaic.adapters import log
from mosaic.adapters.clock import Clock
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.errors import MosaicError
from mosaic.device.records import CommandNote, Records
from mosaic.wire.audit import entry_of
from mosaic.wire.command import MAX_OUTPUT, Command, CommandBody, CommandResult, kind_of

Obey = Callable[[CommandBody], Awaitable[str]]
"""Carries out what a command says and returns text for people; raises MosaicError."""

KEPT_NS = 24 * 3600 * 10**9


class EndedBadly(MosaicError):
    """What was ordered was begun, and failed. Every other error says that nothing was done."""

    code = "command-ended-badly"


class Commands:
    """The exactly-once shell around `obey`."""

    def __init__(self, records: Records, clock: Clock, obey: Obey) -> None:
        self._records = records
        self._clock = clock
        self._obey = obey

    async def carry_out(self, command: Command, *, offset_ns: int = 0) -> CommandResult:
        """Carry out a command, or say again what came of it. `offset_ns` is added to our clock to get the Hive's."""
        known = self._records.commands.get(command.id)
        if known is not None:
            return known.result or CommandResult(
                command.id,
                "failed",
                "the Device was restarted while it carried this out; what came of it is not known",
                "command-interrupted",
                "look at the app, then give the command again",
            )
        note = CommandNote(command.seq, command.expires_ns)
        if self._clock.wall_ns() + offset_ns > command.expires_ns:
            late = CommandResult(command.id, "expired", "the command came too late and was not carried out")
            return self._noted_if_possible(command, note, late)
        try:
            self._forget_old()
            self._note(command, note, None)
        except LedgerNotWritten as error:
            # Not begun: should it come again, nobody would know.
            return CommandResult(command.id, "refused", error.message, error.code, error.hint)
        return self._noted_if_possible(command, note, await self._result(command))

    def _noted_if_possible(self, command: Command, note: CommandNote, result: CommandResult) -> CommandResult:
        """Answer in any case. What could not be noted stays begun and without an end, as after a kill."""
        try:
            return self._note(command, note, result)
        except LedgerNotWritten as error:
            log.warning("command_not_noted", id=command.id, code=error.code, reason=error.message)
            return result

    def _note(self, command: Command, note: CommandNote, result: CommandResult | None) -> CommandResult:
        """Note what came of a command, None when it begins, and return that as it is answered."""
        entry = entry_of(
            command.body,
            at_ns=self._clock.wall_ns(),
            by="hive",
            device="",
            command=command.id,
            outcome=result.outcome if result is not None else "begun",
            other=command.audit,
        )
        result = result or CommandResult(command.id, "failed", "")
        ended = entry.outcome != "begun"
        head = self._records.note_command(
            command.id, msgspec.structs.replace(note, result=result if ended else None), entry
        )
        return msgspec.structs.replace(result, audit=head.text)

    async def _result(self, command: Command) -> CommandResult:
        log.info("command_began", id=command.id, command=kind_of(command.body))
        try:
            output = await self._obey(command.body)
        except MosaicError as error:
            outcome: Literal["failed", "refused"] = "failed" if isinstance(error, EndedBadly) else "refused"
            return CommandResult(command.id, outcome, error.message, error.code, error.hint)
        return CommandResult(command.id, "done", _bounded(output))

    def _forget_old(self) -> None:
        limit = self._clock.wall_ns() - KEPT_NS
        for key, note in self._records.commands.items().items():
            if note.expires_ns < limit:
                self._records.commands.delete(key)


def _bounded(output: str) -> str:
    """Keep the end: of a log the newest lines count."""
    raw = output.encode()
    return raw[-MAX_OUTPUT:].decode(errors="ignore") if len(raw) > MAX_OUTPUT else output
