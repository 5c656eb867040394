"""Print pytest's logs so that what failed is found: `python script/lib/logs.py LOG…`.

Lines that a daemon wrote are many and alike: of a long run of them the first and
the last are printed. What failed in all logs is listed once more at the end, and
the last log's last line, its summary, stays the last.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_KEPT = 5
_FAILED = ("FAILED ", "ERROR ")


def folded(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines; of more than a few log lines in a row only the first and the last."""
    run: list[str] = []
    for line in lines:
        if line.startswith('{"at":'):
            run.append(line)
            continue
        yield from _ends(run)
        run = []
        yield line
    yield from _ends(run)


def printed(logs: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield what is to be printed of these logs, each of them a list of lines."""
    failed = [line for lines in logs for line in lines if line.startswith(_FAILED)]
    *before, last = [line for lines in logs for line in folded(lines)] or [""]
    yield from before
    if failed:
        yield f"failed, of all parts: {len(failed)}"
        yield from failed
    yield last


def _ends(run: list[str]) -> list[str]:
    if len(run) <= 2 * _KEPT:
        return run
    return [*run[:_KEPT], f"  … {len(run) - 2 * _KEPT} lines of a log …", *run[-_KEPT:]]


if __name__ == "__main__":
    read = [Path(name).read_text(errors="replace").splitlines() for name in sys.argv[1:]]
    sys.stdout.writelines(f"{line}\n" for line in printed(read))
