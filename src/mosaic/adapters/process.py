"""The one place that starts a process.

`run` starts a program, waits for its end and returns what it printed; it
raises when the program fails. `attempt` is the same for a caller who reads
the exit code itself. `run_async` and `attempt_async` are their twins for
anyio. `spawn` starts a child that lives on, in a process group of its own.

There is no shell, and a deadline on every wait: when it passes, the whole
process group is killed. Arguments are seen by everybody on the machine and
are repeated in errors, so secrets go through `stdin` or `env`.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from mosaic.core.errors import MosaicError, Refused, Unavailable

Argv = Sequence[str]

KEPT_BYTES = 8 * 1024 * 1024
"""How much of each output is kept. What comes after that is read and dropped."""

_SILENT = "it said nothing"
_TOLD_LINES = 12
_TOLD_BYTES = 4096
_READ_BYTES = 65536
_SETTLE_SECONDS = 0.2
_ENDED, _STDIN, _STDOUT, _STDERR = -1, 0, 1, 2


class ProgramMissing(Refused):
    """The program to run does not exist on this machine."""

    code = "program-missing"

    def __init__(self, argv: Argv) -> None:
        super().__init__(
            f"the program {argv[0]!r} is not installed, or may not be run",
            hint="run `script/setup`; it installs what Mosaic needs",
        )


class CommandFailed(MosaicError):
    """A program ended with an error. The message has the last lines that it printed."""

    code = "command-failed"

    def __init__(self, finished: "Finished") -> None:
        super().__init__(
            f"{_short(finished.argv)} ended with {_ending(finished.code)}: {finished.last_lines() or _SILENT}",
            hint="the lines above are the program's own; `mosaic doctor` checks what it needs",
        )
        self.finished = finished


class CommandTimedOut(Unavailable):
    """A program did not end before its deadline and was killed with all its children."""

    code = "command-timed-out"

    def __init__(self, argv: Argv, *, deadline_seconds: float, last_lines: str) -> None:
        super().__init__(
            f"{_short(argv)} did not end within {deadline_seconds:g} s and was stopped: {last_lines or _SILENT}",
            hint="the machine may be overloaded; try again, then look with `mosaic doctor`",
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended. `truncated` says that it printed more than `KEPT_BYTES`; a negative code is a signal."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    truncated: bool

    @property
    def text(self) -> str:
        """What it printed to stdout."""
        return self.stdout.decode(errors="replace")

    def last_lines(self) -> str:
        """Return the end of what it said: of stderr, or of stdout when stderr is empty."""
        return _last_lines(self.stderr) or _last_lines(self.stdout)


def become(argv: Argv, *, env: Mapping[str, str] | None = None) -> NoReturn:
    """Become another program, with the environment of now or `env` instead, and the number of this process.

    Of its descriptors it has the three of the terminal, and those that were made inheritable.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(argv[0], list(argv), os.environ if env is None else env)  # noqa: S606 (no shell is the rule here)


def run(
    argv: Argv,
    *,
    deadline_seconds: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    inherited: Set[str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a program to its end. `env` is laid over our own environment.

    `inherited` are the names of our own environment that the program may see;
    None is all of them.

    Raises:
        ProgramMissing: there is no such program.
        CommandFailed: it ended with another code than 0.
        CommandTimedOut: the deadline passed; nothing of it is left running.
    """
    return _checked(
        attempt(argv, deadline_seconds=deadline_seconds, stdin=stdin, env=env, inherited=inherited, cwd=cwd)
    )


def attempt(
    argv: Argv,
    *,
    deadline_seconds: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    inherited: Set[str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a program to its end and return it whatever its exit code. Raises like `run` otherwise."""
    return _Running(argv, stdin=stdin, env=_environment(env, inherited), cwd=cwd).finish(deadline_seconds)


async def run_async(
    argv: Argv,
    *,
    deadline_seconds: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    inherited: Set[str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """`run` for anyio. Cancelling it kills the program."""
    return _checked(
        await attempt_async(argv, deadline_seconds=deadline_seconds, stdin=stdin, env=env, inherited=inherited, cwd=cwd)
    )


async def attempt_async(
    argv: Argv,
    *,
    deadline_seconds: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    inherited: Set[str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """`attempt` for anyio. Cancelling it kills the program."""
    from anyio import to_thread  # the storage daemon uses this module without anyio

    running = _Running(argv, stdin=stdin, env=_environment(env, inherited), cwd=cwd)
    try:
        return await to_thread.run_sync(running.finish, deadline_seconds, abandon_on_cancel=True)
    except BaseException:  # a cancellation: the thread waits for the program, which nobody else would end
        running.abandon()
        raise


class Child:
    """A long-running program in a process group of its own."""

    def __init__(self, argv: Argv, popen: "subprocess.Popen[bytes]") -> None:
        self.argv = tuple(argv)
        self._popen = popen

    @property
    def pid(self) -> int:
        """Its process id, which is its group's id as well."""
        return self._popen.pid

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, deadline_seconds: float) -> int | None:
        """Wait for its end. Returns the exit code, or None when the deadline passed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(deadline_seconds)
        return None

    def stop(self, grace_seconds: float) -> int:
        """Ask the group to end (TERM), kill after `grace_seconds` what is left of it, and return the exit code.

        May be called on a child that has ended: what it left behind in its group is killed.
        """
        self._signal_group(signal.SIGTERM)
        _wait_unreaped(self._popen, grace_seconds)
        self._signal_group(signal.SIGKILL)
        return self._popen.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        # Once the leader was reaped, its group's id may belong to somebody else.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)


class Companion(Child):
    """A program that is told things and answers, while we do something else. When we die its input ends."""

    def tell(self, words: bytes) -> bool:
        """Write to its input. Returns False when it is not there any more."""
        pipe = self._popen.stdin
        assert pipe is not None
        try:
            return os.write(pipe.fileno(), words) == len(words)
        except BrokenPipeError:
            return False

    def hear(self, deadline_seconds: float) -> bytes:
        """Return what it says next; nothing when it has ended, or says nothing in time."""
        output = self._popen.stdout
        assert output is not None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            return os.read(output.fileno(), _READ_BYTES) if selector.select(deadline_seconds) else b""

    def end(self, deadline_seconds: float) -> int:
        """End its input, wait for its end, and return its exit code; it is killed when the deadline passes."""
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        code = self.wait(deadline_seconds)
        return self.stop(0) if code is None else code


def accompany(argv: Argv) -> Companion:
    """Start a program that is spoken to. The caller ends it."""
    popen = _popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(None, None),
        cwd=None,
    )
    return Companion(argv, popen)


def spawn(
    argv: Argv,
    *,
    env: Mapping[str, str] | None = None,
    inherited: Set[str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
) -> Child:
    """Start a program that lives on. Its output is appended to `log`, or goes where ours goes.

    `env` and `inherited` are as in `run`.

    It is not stopped when we end: a caller that wants this calls `Child.stop`.
    `inherited` are the names of our own environment that it may see; None is all of them.
    """
    with contextlib.ExitStack() as opened:
        out = opened.enter_context(log.open("ab")) if log else None
        popen = _popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_environment(env, inherited), cwd=cwd
        )
    return Child(argv, popen)


class _Running:
    """A started program whose output is being collected."""

    def __init__(self, argv: Argv, *, stdin: bytes | None, env: Mapping[str, str], cwd: Path | None) -> None:
        self._argv = tuple(argv)
        self._stdin = stdin or b""
        where = subprocess.DEVNULL if stdin is None else subprocess.PIPE
        self._popen = _popen(argv, stdin=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd)
        self._outputs = {_STDOUT: bytearray(), _STDERR: bytearray()}
        self._dropped = False
        self._attended = threading.Lock()

    def finish(self, deadline_seconds: float) -> Finished:
        if not self._attended.acquire(blocking=False):
            raise RuntimeError("this program was abandoned")
        try:
            in_time = self._pump(time.monotonic() + deadline_seconds)
        except BaseException:  # Ctrl-C as well must leave no program behind
            self.kill()
            self._popen.wait()
            raise
        finally:
            self._close_pipes()
        if not in_time:
            self.kill()
            self._popen.wait()
            said = _last_lines(self._outputs[_STDERR]) or _last_lines(self._outputs[_STDOUT])
            raise CommandTimedOut(self._argv, deadline_seconds=deadline_seconds, last_lines=said)
        code = self._popen.wait()
        return Finished(self._argv, code, bytes(self._outputs[_STDOUT]), bytes(self._outputs[_STDERR]), self._dropped)

    def kill(self) -> None:
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)

    def abandon(self) -> None:
        """Kill it, for a caller whose `finish` was cancelled: that may be under way in a thread, or never begin."""
        self.kill()
        if self._attended.acquire(blocking=False):
            self._popen.wait()
            self._close_pipes()

    def _pump(self, deadline: float) -> bool:
        """Feed and read until the program has ended. Returns False when the deadline passed first."""
        ended = False
        with selectors.DefaultSelector() as selector, _pidfd(self._popen.pid) as pidfd:
            selector.register(pidfd, selectors.EVENT_READ, _ENDED)
            self._register_pipes(selector)
            while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.data == _ENDED:
                        ended = True
                        selector.unregister(pidfd)
                        # A grandchild may keep the pipes open for ever; what the program said is in them by now.
                        deadline = min(deadline, time.monotonic() + _SETTLE_SECONDS)
                    elif not self._move(key):
                        selector.unregister(key.fileobj)
        return ended

    def _register_pipes(self, selector: selectors.BaseSelector) -> None:
        for number, pipe in enumerate((self._popen.stdin, self._popen.stdout, self._popen.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ if number else selectors.EVENT_WRITE, number)

    def _move(self, key: selectors.SelectorKey) -> bool:
        """Move some bytes through one pipe. Returns False when it has come to its end."""
        if key.data == _STDIN:
            return self._feed()
        kept = self._outputs[key.data]
        read = os.read(key.fd, _READ_BYTES)
        room = KEPT_BYTES - len(kept)
        self._dropped |= len(read) > room
        kept += read[:room]
        return bool(read)

    def _feed(self) -> bool:
        pipe = self._popen.stdin
        assert pipe is not None
        try:
            self._stdin = self._stdin[os.write(pipe.fileno(), self._stdin[:_READ_BYTES]) :]
        except BrokenPipeError:
            self._stdin = b""
        if not self._stdin:
            pipe.close()
        return bool(self._stdin)

    def _close_pipes(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _popen(
    argv: Argv,
    *,
    stdin: int,
    stdout: int | IO[bytes] | None,
    stderr: int | IO[bytes] | None,
    env: Mapping[str, str],
    cwd: Path | None,
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            start_new_session=True,
            bufsize=0,
        )
    except (FileNotFoundError, PermissionError) as error:
        if cwd is not None and not cwd.is_dir():
            raise
        raise ProgramMissing(argv) from error


def _environment(env: Mapping[str, str] | None, inherited: Set[str] | None) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if inherited is None or name in inherited}
    return {**ours, **(env or {})}


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_unreaped(popen: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Wait for the end without reaping, so that the process group's id stays ours."""
    if popen.returncode is not None:
        return
    with _pidfd(popen.pid) as pidfd, selectors.DefaultSelector() as selector:
        selector.register(pidfd, selectors.EVENT_READ)
        selector.select(seconds)


def _checked(finished: Finished) -> Finished:
    if finished.code != 0:
        raise CommandFailed(finished)
    return finished


def _last_lines(output: bytes | bytearray) -> str:
    lines = bytes(output[-_TOLD_BYTES:]).decode(errors="replace").splitlines()
    return "\n".join([line.rstrip() for line in lines if line.strip()][-_TOLD_LINES:])


def _short(argv: Argv) -> str:
    words = " ".join(argv[:4])
    return f"`{words} …`" if len(argv) > 4 else f"`{words}`"


def _ending(code: int) -> str:
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
