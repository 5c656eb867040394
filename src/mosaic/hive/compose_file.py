"""Reading a compose file's text: safely, and not one without end."""

import yaml

from mosaic.core.compose_document import ComposeInvalid

_MOST_BYTES = 1024 * 1024


def parse(text: bytes) -> object:
    """Return what the YAML says. Raises ComposeInvalid."""
    if len(text) > _MOST_BYTES:
        raise ComposeInvalid("the compose file is larger than 1 MiB", hint="move data out of it, into files beside it")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ComposeInvalid(
            f"the compose file is not YAML{where}", hint="mend it; `docker compose config` helps"
        ) from error
