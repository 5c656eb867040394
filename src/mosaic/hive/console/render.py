"""Pages out of templates: one Jinja environment, made when the first page is asked for.

What a template misses is an error, not a blank.
"""

import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from litestar import Response

from mosaic import __version__
from mosaic.hive.console import assets, linking, overview, shapes, words
from mosaic.hive.console.headers import HEADERS
from mosaic.hive.console.stages import stage_words
from mosaic.hive.signed_in import SignedIn
from mosaic.hive.updates import version_words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, *, who: SignedIn | None, status: int = 200, **given: object) -> Response[str]:
    """Return the page. `who` None is a page for people who are not signed in."""
    # A page holds what only its reader may see: no cache between keeps it.
    headers = {**HEADERS, "Cache-Control": "no-store"}
    return Response(
        text(template, who=who, now_ns=time.time_ns(), **given),
        status_code=status,
        media_type="text/html",
        headers=headers,
    )


def text(template: str, **given: object) -> str:
    """Return the text that a template makes."""
    return _environment().get_template(template).render(given)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        ago=words.ago, clock=words.clock, day=words.day, grant=words.grant, iso=words.iso, number=words.number,
        sentence=words.sentence, short=words.short, said=_said, size=words.size, span=words.span,
    )  # fmt: skip
    made.globals.update(
        many=words.many,
        asset=assets.address,
        version=__version__,
        look_device=shapes.of_device,
        look_installation=shapes.of_installation,
        look_service=shapes.of_service,
        look_replica=shapes.of_replica,
        saved_elsewhere=overview.saved_elsewhere,
        version_words=version_words,
        stage_words=stage_words,
        look_link=linking.of_link,
        why_link=linking.why,
        there=linking.is_there,
        look_name=linking.of_name,
        proofs=linking.to_prove,
        look_finding=linking.of_finding,
        check_words=linking.check_words,
    )
    return made


def _said(sentence: str) -> "Markup":
    """Escape a sentence, end it, and set what stands between backticks as something to type."""
    from markupsafe import Markup, escape

    parts = words.stopped(sentence).split("`")
    if len(parts) % 2 == 0:
        return escape(sentence)
    code = Markup("<code>%s</code>")
    return Markup("").join(code % part if at % 2 else escape(part) for at, part in enumerate(parts))
