"""What compose itself makes of the plain words of a file, and of the file that Mosaic renders of them."""

import itertools
import json
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters import compose_yaml, process
from mosaic.core.compose_document import to_json

pytestmark = pytest.mark.engine

# Every word of up to three of these, and more that are known to be read in odd ways.
LETTERS = "017_.-+xobe"
ODD = (
    "yes no on off y n Y N Yes ON tRue true True TRUE false ~ null NULL nUll = 12:30 12:30:00 190:20:30.15 "
    "1.10 1.0 1e3 2023-13-45 08.5 685_230.15 0x_1f 0o17 0O17 0755 0o1_7 -0o17 -0b11 0x8000000000000000 "
    "18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809 +9223372036854775808 "
    "12345678901234567890123 123456789.0 12345678901.5 100000000000000000000000.0 0.00001 1.5e300 1e-999 "
    "0xffffffffffffffffff 1.2.3 v1.2 3000:30 "
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000007 +0x1F -0X1f 1_ 1__0 "
    "0b 0o 0x"
)


def values(file: Path) -> dict[str, str | None]:
    """Return the environment that compose reads from a file."""
    run = process.run(["docker", "compose", "-f", str(file), "config", "--format", "json"], deadline_seconds=60)
    services: dict[str, dict[str, dict[str, str | None]]] = json.loads(run.stdout)["services"]
    return services["web"]["environment"]


def test_compose_reads_the_same_values_from_the_rendered_file_as_from_the_one_that_was_published(
    tmp_path: Path,
) -> None:
    written = ("".join(word) for size in (1, 2, 3) for word in itertools.product(LETTERS, repeat=size))
    # Of a dash or two before a space or an end YAML makes more than a word.
    words = [word for word in [*written, *ODD.split()] if word.strip("-") and not word.startswith("---")]
    lines = "".join(f"      W{place}: {word}\n" for place, word in enumerate(words))
    published, rendered = tmp_path / "published.yml", tmp_path / "rendered.json"
    published.write_text(f"services:\n  web:\n    image: web\n    environment:\n{lines}")

    rendered.write_bytes(msgspec.json.encode(to_json(compose_yaml.parse(published.read_bytes()))))

    there, here = values(published), values(rendered)
    differ = [
        (word, there[key], here[key]) for place, word in enumerate(words) if there[key := f"W{place}"] != here[key]
    ]
    assert differ == []
