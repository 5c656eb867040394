"""A process that has nothing to do holds little, and loses nothing by it."""

import mmap
import subprocess
import sys

from support.modules import modules_after

LARGE = {
    "alembic",
    "boto3",
    "jinja2",
    "litestar",
    "obstore",
    "rich",
    "securesystemslib",
    "sqlalchemy",
    "tuf",
    "uvicorn",
}


def test_a_service_that_has_grown_lets_go_of_its_program_and_works_on() -> None:
    assert said(GROWN) == "let go, and works on"


def test_a_page_of_the_program_that_somebody_changed_is_kept() -> None:
    assert said(CHANGED) == "m"


def test_the_storage_daemon_starts_without_what_only_others_or_transfers_need() -> None:
    loaded = modules_after("import mosaic.storage.serve")
    assert not (LARGE | {"anyio", "asyncio", "httpx2", "websockets", "yaml"}) & loaded


def test_the_device_starts_without_what_only_others_or_signed_packages_need() -> None:
    assert not LARGE & modules_after("import mosaic.cli.up.device_alone, mosaic.device.serve")


def said(script: str) -> str:
    """Run a script in a process of its own, which must end well, and return what it said."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return done.stdout.strip()


GROWN = """
import ssl
import mosaic.storage.serve
from mosaic.adapters.memory import Thrift, mapped_bytes
before = mapped_bytes()
Thrift().look()
held = mapped_bytes()
ssl.create_default_context()
import mosaic.device.serve
print("let go, and works on" if held < before / 2 else f"{before} bytes before, {held} after")
"""

CHANGED = f"""
import ctypes
import math
from pathlib import Path
from mosaic.adapters.memory import let_go_of_program
lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
text = next(words for words in lines if words[1] == "r-xp" and "/libm.so" in words[-1])
place = int(text[0].split("-")[1], 16) - {mmap.PAGESIZE}
mprotect = ctypes.CDLL(None).mprotect
mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
assert mprotect(place, {mmap.PAGESIZE}, 7) == 0
ctypes.memset(place, ord("m"), 1)
assert mprotect(place, {mmap.PAGESIZE}, 5) == 0
let_go_of_program()
print(ctypes.string_at(place, 1).decode())
"""
