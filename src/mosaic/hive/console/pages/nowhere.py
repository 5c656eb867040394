"""Where no page is: the refusal is a page too."""

from litestar import get
from litestar.exceptions import NotFoundException


@get("/{rest:path}")
async def nowhere(rest: str) -> None:
    """Say that there is nothing."""
    raise NotFoundException(f"there is nothing at {rest}")


handlers = [nowhere]
