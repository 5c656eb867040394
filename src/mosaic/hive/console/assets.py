"""The Console's own files: style sheet, scripts, marks, and the word list.

Their addresses hold a hash of all of them, so that browsers may keep them for
ever, and a script and the modules that it imports always belong together.
"""

import hashlib
import mimetypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException

from mosaic.hive.console.headers import HEADERS
from mosaic.hive.console.picture import draw

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}


def address(file: str) -> str:
    """Return where a page finds one of the files."""
    return f"/static/{_edition()}/{file}"


@get("/static/{edition:str}/{file:path}", include_in_schema=False)
async def static(edition: str, file: str) -> Response[bytes]:
    """Serve one of the known files, whatever edition was asked for."""
    found = _files().get(file.strip("/"))
    if found is None:
        raise NotFoundException(f"there is no file {file}")
    kind = _TYPES.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "text/plain"
    lasting = "public, max-age=31536000, immutable" if edition == _edition() else "no-cache"
    return Response(found.read_bytes(), media_type=kind, headers={**HEADERS, "Cache-Control": lasting})


@get("/tess/{name:str}", include_in_schema=False)
async def tessera(name: str) -> Response[str]:
    """Serve the picture that is drawn from an app's name."""
    drawn = draw(name.removesuffix(".svg"))
    return Response(drawn, media_type="image/svg+xml", headers={**HEADERS, "Cache-Control": "public, max-age=86400"})


@cache
def _files() -> dict[str, Path]:
    known = {str(path.relative_to(_FOLDER)): path for path in _FOLDER.rglob("*") if path.is_file()}
    package = find_spec("mnemonic")
    if package is not None and package.submodule_search_locations:
        known["words.txt"] = Path(package.submodule_search_locations[0]) / "wordlist" / "english.txt"
    return known


@cache
def _edition() -> str:
    everything = hashlib.sha256()
    for name, path in sorted(_files().items()):
        everything.update(name.encode() + b"\0" + path.read_bytes())
    return everything.hexdigest()[:12]
