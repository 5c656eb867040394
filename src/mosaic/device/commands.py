"""Imperative commands: each carried out once, whatever is lost or repeated.

A command is noted in the ledger before it is begun, and its result before it
is answered. One that comes again gets the same answer; one that a kill ended
is not begun a second time.
"""

from collections.abc import Awaitable, Callable

import msgspec

from mosaic.adapters import log
from mosaic.adapters.clock import Clock
from mosaic.core.errors import MosaicError
from mosaic.device.records import CommandNote, Records
from mosaic.wire.command import Command, CommandBody, CommandResult

Obey = Callable[[CommandBody], Awaitable[str]]
"""Carries out what a command says and returns text for people; raises MosaicError."""

MAX_OUTPUT = 256 * 1024
KEPT_NS = 24 * 3600 * 10**9


class Commands:
    """The exactly-once shell around `obey`."""

    def __init__(self, records: Records, clock: Clock, obey: Obey) -> None:
        self._records = records
        self._clock = clock
        self._obey = obey

    def clock_offset_ns(self, hive_now_ns: int) -> int:
        """Return what to add to our clock to get the Hive's; 0 when the Hive did not say."""
        return hive_now_ns - self._clock.wall_ns() if hive_now_ns else 0

    async def carry_out(self, command: Command, *, offset_ns: int = 0) -> CommandResult:
        """Carry out a command, or say again what came of it."""
        known = self._records.commands.get(command.id)
        if known is not None:
            return known.result or CommandResult(
                command.id,
                "failed",
                "the Device was restarted while it carried this out; what came of it is not known",
                "command-interrupted",
                "look at the app, then give the command again",
            )
        if self._clock.wall_ns() + offset_ns > command.expires_ns:
            return CommandResult(command.id, "expired", "the command came too late and was not carried out")
        self._forget_old()
        note = CommandNote(command.seq, command.expires_ns)
        self._records.commands.put(command.id, note)
        result = await self._result(command)
        self._records.commands.put(command.id, msgspec.structs.replace(note, result=result))
        return result

    async def _result(self, command: Command) -> CommandResult:
        log.info("command_began", id=command.id, command=type(command.body).__name__)
        try:
            output = await self._obey(command.body)
        except MosaicError as error:
            return CommandResult(command.id, "refused", error.message, error.code, error.hint)
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
