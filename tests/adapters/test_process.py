"""Starting programs: output, deadlines, groups."""

import os
import sys
import threading
from functools import partial
from pathlib import Path

import anyio
import pytest

from mosaic.adapters import process
from support.waiting import eventually

PYTHON = sys.executable


def test_a_program_that_ends_well_returns_what_it_said() -> None:
    finished = process.run(["cat"], deadline_seconds=60, stdin=b"x" * 300_000)
    assert finished.stdout == b"x" * 300_000
    assert not finished.truncated


def test_a_failing_program_is_an_error_with_its_last_lines() -> None:
    script = "import sys; [print(i, file=sys.stderr) for i in range(40)]; sys.exit('no such folder')"
    with pytest.raises(process.CommandFailed) as caught:
        process.run([PYTHON, "-c", script], deadline_seconds=60)
    assert caught.value.message.endswith("38\n39\nno such folder")
    assert "\n27\n" not in caught.value.message


def test_an_attempt_returns_the_exit_code() -> None:
    assert process.attempt(["false"], deadline_seconds=60).code == 1


def test_a_program_that_does_not_exist_is_refused_with_the_way_to_get_it() -> None:
    with pytest.raises(process.ProgramMissing, match="no-such-program") as caught:
        process.run(["no-such-program"], deadline_seconds=60)
    assert "script/setup" in caught.value.hint


def test_a_program_sees_of_our_environment_what_it_is_to_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    monkeypatch.setenv("TOKEN", "2")

    def seen(env: dict[str, str] | None, inherited: set[str] | None) -> set[str]:
        said = process.run(["env"], deadline_seconds=60, env=env, inherited=inherited).text
        return {"OURS=1", "TOKEN=2", "MORE=3"} & set(said.split())

    assert seen(None, None) == {"OURS=1", "TOKEN=2"}
    assert seen({"MORE": "3"}, None) == {"OURS=1", "TOKEN=2", "MORE=3"}
    assert seen({"MORE": "3"}, {"PATH", "OURS"}) == {"OURS=1", "MORE=3"}
    assert seen(None, set()) == set()


def test_the_deadline_kills_the_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"echo begun; sleep 60 & echo $! > {pid_file}; wait"
    with pytest.raises(process.CommandTimedOut, match="begun"):
        process.run(["sh", "-c", script], deadline_seconds=0.5)
    eventually(lambda: not _is_running(int(pid_file.read_text())))


def test_a_grandchild_that_keeps_the_pipes_does_not_keep_us() -> None:
    finished = process.run(["sh", "-c", "echo done; sleep 100 & :"], deadline_seconds=60)
    assert finished.stdout == b"done\n"


def test_output_is_bounded() -> None:
    script = f"import sys; sys.stdout.buffer.write(b'y' * {process.KEPT_BYTES + 5})"
    finished = process.run([PYTHON, "-c", script], deadline_seconds=60)
    assert len(finished.stdout) == process.KEPT_BYTES
    assert finished.truncated


def test_env_is_laid_over_ours() -> None:
    finished = process.run(["sh", "-c", 'echo "$GREETING $HOME"'], deadline_seconds=60, env={"GREETING": "hello"})
    assert finished.text == f"hello {os.environ.get('HOME', '')}\n"


def test_cancelling_an_async_run_kills_the_program(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            words = ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"]
            tasks.start_soon(partial(process.run_async, words, deadline_seconds=60))
            await anyio.to_thread.run_sync(eventually, lambda: pid_file.exists() and pid_file.read_text())
            tasks.cancel_scope.cancel()

    anyio.run(main)
    eventually(lambda: not _is_running(int(pid_file.read_text())))


def test_an_async_run_that_is_cancelled_before_anybody_waits_for_the_program_leaves_nothing(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    async def main() -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        async with anyio.create_task_group() as tasks, limiter:
            words = ["sh", "-c", f"echo $$ > {pid_file}; exec sleep 60"]
            tasks.start_soon(partial(process.run_async, words, deadline_seconds=60))
            await anyio.wait_all_tasks_blocked()
            eventually(lambda: pid_file.exists() and pid_file.read_text())
            tasks.cancel_scope.cancel()

    anyio.run(main)
    # Not even as a child that nobody has asked for its end.
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_an_async_run_returns_like_the_other() -> None:
    async def main() -> bytes:
        return (await process.run_async(["echo", "hi"], deadline_seconds=60)).stdout

    assert anyio.run(main) == b"hi\n"


def test_a_child_is_asked_to_end_before_it_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = process.spawn(["sh", "-c", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"], log=log)
    eventually(lambda: "up" in log.read_text())
    assert child.poll() is None
    assert child.stop(grace_seconds=10) == 3
    assert log.read_text().endswith("bye\n")


def test_a_child_that_ignores_term_is_killed_with_its_group(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = process.spawn(["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait"], log=log)
    eventually(lambda: log.read_text().endswith("\n"))
    assert child.stop(grace_seconds=0.2) == -9
    eventually(lambda: not _is_running(int(log.read_text())))


def test_stopping_twice_is_fine() -> None:
    child = process.spawn(["true"])
    assert child.wait(60) == 0
    assert child.stop(grace_seconds=1) == 0
    assert child.stop(grace_seconds=1) == 0


def test_runs_in_many_threads_do_not_disturb_one_another() -> None:
    said: list[bytes] = []
    threads = [
        threading.Thread(target=lambda n=n: said.append(process.run(["echo", str(n)], deadline_seconds=60).stdout))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(said) == [f"{n}\n".encode() for n in range(8)]


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        # It may end while it is read, too.
        return False
    return state != "Z"
