"""What the catalog says of an app, from its compose file: the same for folders and for packages."""

from mosaic.adapters import compose_yaml
from mosaic.core.compose_document import as_mapping, read_compose, to_json
from mosaic.hive import app_check
from mosaic.wire.api import CatalogApp

_LONGEST_TITLE = 80
_LONGEST_SUMMARY = 300
_LONGEST_LABEL = 40


def describe(
    compose: bytes,
    *,
    app: str,
    digest: str,
    title: str = "",
    summary: str = "",
    source: str = "folder",
    label: str = "",
    approval: str = "",
) -> CatalogApp:
    """Return the entry of an app. `title` and `summary` are what counts when its `x-mosaic:` does not say.

    Raises:
        ComposeInvalid: it cannot be read.
    """
    parsed = compose_yaml.parse(compose)
    read = read_compose(to_json(parsed))
    plan = app_check.plan(parsed)
    told = read.rest.get("x-mosaic")
    about = as_mapping(told, "x-mosaic") if told is not None else {}
    return CatalogApp(
        app=app,
        title=str(about.get("title") or title or app)[:_LONGEST_TITLE],
        summary=str(about.get("summary") or summary)[:_LONGEST_SUMMARY],
        digest=digest,
        services=sorted(read.services),
        asks=plan.asks,
        ports=plan.ports,
        volumes=plan.volumes,
        source=source,
        label=label[:_LONGEST_LABEL],
        approval=approval,
    )
