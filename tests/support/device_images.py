"""Other versions of the Device's image, made in a second on top of the one that `script/images` made."""

import subprocess
from pathlib import Path
from typing import Literal

from support.contained_device import IMAGE

Kind = Literal["good", "broken", "mute"]
"""
good    a Device of a newer version
broken  one that ends at once, and says why
mute    one that starts, and never reports
"""

NEWER = "9.1.0"
_RENAMED = "RUN sed -i 's/^__version__ = .*/__version__ = \"{version}\"/' /code/lib/*/site-packages/mosaic/__init__.py"
_LAST = {
    "good": "",
    "broken": 'ENTRYPOINT ["python3", "-c", "import sys; sys.exit(\'error: this version cannot start here\')"]',
    "mute": 'ENTRYPOINT ["python3", "-c", "import signal, sys; signal.signal(15, sys.exit); signal.pause()"]',
}


def build(folder: Path, kind: Kind, *, name: str, version: str = NEWER) -> str:
    """Build an image under a name, and return its id. Nothing is fetched."""
    folder.mkdir(parents=True)
    lines = [f"FROM {IMAGE}", _RENAMED.format(version=version), _LAST[kind]]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    words = ["docker", "build", "--quiet", "--network", "none", "--tag", name, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
