"""A wheel called `mosaic` with next to nothing in it, for what only looks at how it is installed."""

import base64
import hashlib
import zipfile
from pathlib import Path


def write_tiny_wheel(folder: Path, version: str, *, says: str | None = None) -> Path:
    """Write one whose program says that it is `says`, its own version if not given."""
    dist = f"mosaic-{version}.dist-info"
    files = {
        "mosaic/__init__.py": f'__version__ = "{says or version}"\n',
        f"{dist}/METADATA": f"Metadata-Version: 2.1\nName: mosaic\nVersion: {version}\n",
        f"{dist}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_hash(text)},{len(text)}\n" for name, text in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"mosaic-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        for name, text in (files | {f"{dist}/RECORD": f"{record}{dist}/RECORD,,\n"}).items():
            made.writestr(name, text)
    return wheel


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
