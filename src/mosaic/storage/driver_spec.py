"""What a Docker engine reads of the volume driver while it does not run.

An engine that starts asks for the driver of each volume that it remembers
before it starts any container, and looks for each one 15 s long. That is for
nothing where the driver is in a container: it can only come later. An engine
that finds no socket looks for a file that says where a driver is
(Docker's plugin API, "JSON specification"). Ours names an authority that is no
file, so the engine gives up at once, and looks again when a volume is needed. A
socket goes before the file, so it changes nothing while the driver runs.
"""

import os
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import sync_folder
from mosaic.storage import log

_NO_FILE = "/mosaic-storage-does-not-run"
"""Is in what the engine says then, for people to read."""


def tell(folder: Path, driver: str) -> None:
    """Write the file where it is missing or another. A folder that cannot be written to is only said in the log.

    The engine's machine keeps it: it is needed when nothing of us runs.
    """
    wanted, path = spec(driver), folder / f"{driver}.json"
    try:
        if path.is_file() and path.read_bytes() == wanted:
            return
        draft = folder / f".{driver}.new"
        with draft.open("wb") as file:
            file.write(wanted)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(folder)
    except OSError as error:
        log.info("driver_not_written_down", path=str(path), reason=str(error))


def spec(driver: str) -> bytes:
    """Return the file's content. Nothing is ever sent to the address in it."""
    authority = {"CAFile": _NO_FILE, "CertFile": "", "KeyFile": "", "InsecureSkipVerify": False}
    return msgspec.json.encode({"Name": driver, "Addr": "https://127.0.0.1:1", "TLSConfig": authority}) + b"\n"
