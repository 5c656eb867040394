"""A program that stands for `systemctl` where no systemd runs: units are files of a folder, a service is a process.

It starts and stops them, counts restarts, and starts again what ended, as far
as the upgrade of a Device uses that. `python small_systemd.py FOLDER WORDS…`;
FOLDER/units has the unit files, FOLDER/run what runs.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

_PAUSE = 0.1


def main(folder: Path, words: list[str]) -> int:
    verb, *others = words
    units = [word for word in others if word.endswith(".service")]
    (folder / "calls").open("a").write(" ".join(words) + "\n")
    match verb:
        case "start":
            for unit in units:
                _start(folder, unit)
        case "stop":
            for unit in units:
                _stop(folder, unit)
        case "try-restart":
            for unit in units:
                if _pid(folder, unit):
                    _stop(folder, unit)
                    _start(folder, unit)
        case "show":
            print(_shown(folder, units[0], others[others.index("--property") + 1]))
    return 0


def _start(folder: Path, unit: str) -> None:
    if _kept(folder, unit).get("keeper"):
        return
    argv = [sys.executable, __file__, str(folder), "keep", unit]
    subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL)
    while not _kept(folder, unit).get("keeper"):
        time.sleep(0.01)


def keep(folder: Path, unit: str) -> None:
    """Run a unit's command, and again when it ends, until somebody says stop."""
    line = next(one for one in (folder / "units" / unit).read_text().splitlines() if one.startswith("ExecStart="))
    restarts = 0
    child: subprocess.Popen[bytes] | None = None

    def end(*_: object) -> None:
        _write(folder, unit, {})
        if child is not None:
            child.terminate()
            child.wait(20)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        with (folder / "run" / f"{unit}.log").open("ab") as log:
            child = subprocess.Popen(shlex.split(line.removeprefix("ExecStart=")), stdout=log, stderr=log)
        _write(folder, unit, {"keeper": os.getpid(), "pid": child.pid, "restarts": restarts})
        code = child.wait()
        if code == 0 and "Restart=on-failure" in (folder / "units" / unit).read_text():
            _write(folder, unit, {})
            return
        _write(folder, unit, {"keeper": os.getpid(), "pid": 0, "restarts": restarts})
        time.sleep(_PAUSE)
        restarts += 1


def _stop(folder: Path, unit: str) -> None:
    keeper = _kept(folder, unit).get("keeper")
    if keeper:
        os.kill(keeper, signal.SIGTERM)
        while _kept(folder, unit):
            time.sleep(0.01)


def _shown(folder: Path, unit: str, name: str) -> str:
    kept = _kept(folder, unit)
    if name == "ActiveState":
        return "inactive" if not kept else "active" if kept["pid"] else "activating"
    return str({"MainPID": kept.get("pid", 0), "NRestarts": kept.get("restarts", 0)}[name])


def _pid(folder: Path, unit: str) -> int:
    return _kept(folder, unit).get("pid", 0)


def _kept(folder: Path, unit: str) -> dict[str, int]:
    try:
        found: dict[str, int] = json.loads((folder / "run" / unit).read_text())
    except FileNotFoundError:
        return {}
    return found


def _write(folder: Path, unit: str, kept: dict[str, int]) -> None:
    draft = folder / "run" / f"{unit}.new"
    draft.write_text(json.dumps(kept))
    draft.replace(folder / "run" / unit)


def install(folder: Path) -> Path:
    """Make FOLDER, and a `systemctl` in FOLDER/bin; return the folder of unit files."""
    for name in ("bin", "units", "run"):
        (folder / name).mkdir(parents=True)
    program = folder / "bin/systemctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "{folder}" "$@"\n')
    program.chmod(0o755)
    journal = folder / "bin/journalctl"
    journal.write_text(f'#!/bin/sh\nexec tail -n 12 "{folder}/run/$2.log"\n')
    journal.chmod(0o755)
    return folder / "units"


if __name__ == "__main__":
    if sys.argv[2] == "keep":
        keep(Path(sys.argv[1]), sys.argv[3])
    else:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
