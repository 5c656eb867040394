"""What a program has loaded."""

import subprocess
import sys


def modules_after(script: str) -> set[str]:
    """Return the names of all modules that a fresh interpreter has loaded when it has run a script."""
    script = f"{script}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stdout.splitlines()[-1].split())
