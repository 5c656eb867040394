"""The size and naming limits of the source, as a gate.

Prints one sentence per breach and exits 1; prints nothing when all is well.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE_LINES = 500
REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}


def breaches(root: Path) -> Iterator[str]:
    """Yield what is too long or badly named among the modules under `root`."""
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.stem in REFUSED_NAMES or path.parent.name in REFUSED_NAMES:
            yield f"{path}: '{path.stem}' says nothing about what is in it; name the idea"
        if (length := text.count("\n")) > LONGEST_FILE_LINES:
            yield f"{path}: {length} lines; a file may have {LONGEST_FILE_LINES}"


def main() -> None:
    found = [breach for folder in sys.argv[1:] for breach in breaches(Path(folder))]
    for breach in found:
        print(breach)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
