"""The schema for editors takes what Mosaic takes, and marks what it would refuse as unknown."""

from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from mosaic.core.compose_document import Json
from mosaic.core.compose_schema import compose_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("docker-compose.yml"))


def faults(document: Json) -> list[str]:
    return [error.message for error in jsonschema_rs.Draft202012Validator(compose_schema()).iter_errors(document)]


def test_it_is_a_schema() -> None:
    assert jsonschema_rs.meta.is_valid(compose_schema())


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_every_example_is_valid(file: Path) -> None:
    assert faults(yaml.safe_load(file.read_text())) == []


@pytest.mark.parametrize(
    "document",
    [
        {"services": {}},
        {"services": {"web": {"build": "."}}},
        {"services": {"web": {"image": "nginx", "imagee": "x"}}},
        {"services": {"web": {"image": "nginx"}}, "volume": {}},
        {"services": {"web": {"image": "nginx"}}, "x-mosaic": {"snapshots": {}}},
        {"services": {"web": {"image": "nginx"}}, "volumes": {"files": {"drivr": "local"}}},
    ],
)
def test_what_is_misspelled_or_missing_is_marked(document: Json) -> None:
    assert len(faults(document)) == 1


def test_what_begins_with_x_is_anybodys() -> None:
    assert faults({"services": {"web": {"image": "nginx", "x-note": 1}}, "x-base": {"a": 1}}) == []
