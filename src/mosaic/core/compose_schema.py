"""A JSON Schema for an app's compose file: what an editor completes and marks while it is written.

It knows every key that Mosaic knows (`compose_keys`), and what each becomes. It
is for people who write: what decides is `mosaic app check`, which also sees
what no schema can say. Form: JSON Schema 2020-12.
"""

from collections.abc import Iterable

from mosaic.core.app_actions import DEFAULT_TIMEOUT_SECONDS as ACTION_SECONDS
from mosaic.core.app_actions import INPUT_KEYS, MAX_TITLE
from mosaic.core.compose_document import Json
from mosaic.core.compose_keys import (
    CHECKED,
    NETWORK_KEYS,
    REPLACED,
    SECRET_KEYS,
    SERVICE_KEYS,
    TOP_KEYS,
    VOLUME_KEYS,
)
from mosaic.core.snapshot_hooks import DEFAULT_EVERY_SECONDS, DEFAULT_TIMEOUT_SECONDS, MIN_EVERY_SECONDS

_OWN = "^x-"


def compose_schema() -> dict[str, Json]:
    """Return the schema of `docker-compose.yml`."""
    sections: dict[str, Json] = {
        "services": {**_named(_service()), "minProperties": 1},
        "volumes": _named(_entry(VOLUME_KEYS)),
        "networks": _named(_entry(NETWORK_KEYS)),
        "secrets": _named(_entry(SECRET_KEYS)),
        "configs": _named(_entry(SECRET_KEYS)),
        "x-mosaic": _about(),
    }
    ignored: dict[str, Json] = {key: {"description": "Mosaic decides this itself."} for key in sorted(TOP_KEYS)}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The compose file of a Mosaic app",
        "type": "object",
        "required": ["services"],
        "properties": {**sections, **ignored},
        "patternProperties": {_OWN: True},
        "additionalProperties": False,
    }


def _service() -> Json:
    properties: dict[str, Json] = {key: _key(key) for key in sorted(SERVICE_KEYS)}
    properties["image"] = {
        "type": "string",
        "minLength": 1,
        "description": "Pinned to a digest when published; ${REGISTRY}, ${FACTORY} and ${TAG} name own images.",
    }
    return {
        "type": "object",
        "required": ["image"],
        "properties": properties,
        "patternProperties": {_OWN: True},
        "additionalProperties": False,
    }


def _key(key: str) -> Json:
    if key in REPLACED:
        return {"description": "Mosaic decides this itself, whatever it says."}
    if key in CHECKED:
        return {"description": "May reach beyond the app: `mosaic app check` says whether its owner must grant it."}
    return True


def _entry(keys: Iterable[str]) -> Json:
    properties: dict[str, Json] = dict.fromkeys(sorted(keys), True)
    return {
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": {_OWN: True},
        "additionalProperties": False,
    }


def _named(entry: Json) -> dict[str, Json]:
    return {"type": ["object", "null"], "additionalProperties": entry}


def _about() -> Json:
    text: Json = {"type": "string", "maxLength": 300}
    hook: Json = {
        "type": "object",
        "required": ["service", "command"],
        "properties": {
            "service": {"type": "string"},
            "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "timeout_seconds": {"type": "integer", "minimum": 1, "default": DEFAULT_TIMEOUT_SECONDS},
        },
        "additionalProperties": False,
    }
    every: Json = {"type": "integer", "minimum": MIN_EVERY_SECONDS, "default": DEFAULT_EVERY_SECONDS}
    snapshot: Json = {
        "type": "object",
        "required": ["before"],
        "properties": {"before": hook, "after": hook, "every_seconds": every},
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "description": "What the catalog shows, what is run in the app around a snapshot, and what its owner can do.",
        "properties": {
            "title": text,
            "summary": text,
            "snapshot": snapshot,
            "actions": {"type": "object", "additionalProperties": _action()},
        },
        "additionalProperties": False,
    }


def _action() -> Json:
    """Return what an action is; which keys each kind of input has is `mosaic app check`'s to say."""
    count: Json = {"type": "integer"}
    given: Json = {
        "type": "object",
        "properties": {
            "kind": {"enum": list(INPUT_KEYS), "default": "text"},
            "title": {"type": "string", "maxLength": MAX_TITLE},
            "pattern": {"type": "string", "description": "Letters and classes, for instance [a-z0-9._=-]+"},
            **dict.fromkeys(("shortest", "longest", "least", "most"), count),
            "choices": {"type": ["array", "object"], "description": "Words, or a name for each word."},
        },
        "additionalProperties": False,
    }
    word: Json = {"type": "string"}
    return {
        "type": "object",
        "required": ["service", "command"],
        "properties": {
            "title": {"type": "string", "maxLength": MAX_TITLE},
            "service": word,
            "command": {
                "type": "array",
                "items": word,
                "minItems": 1,
                "description": "Each word is fixed, or exactly one input in braces.",
            },
            "stdin": {"type": "array", "items": word, "description": "Inputs that are written to standard input."},
            "timeout_seconds": {"type": "integer", "minimum": 1, "default": ACTION_SECONDS},
            "inputs": {"type": "object", "additionalProperties": given},
        },
        "additionalProperties": False,
    }
