"""Nothing is suppressed without a reason: a check, an exception or a test."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from mosaic.adapters import process

GATE = Path(__file__).parents[2] / "script/lib/reasons.py"

MUTE = {
    "a finding": "x = 1  # noqa: E501\n",
    "every finding": "x = 1  # noqa\n",
    "two findings": "x = 1  # noqa: E501, S104\n",
    "a wrong type": "x: int = ''  # type: ignore[assignment]\n",
    "both": "x: int = ''  # type: ignore[assignment]  # noqa: E501\n",
    "a line that no test runs": "x = 1  # pragma: no cover\n",
    "something to do": "x = 1  # TODO:\n",
    "under a line that has a comment of its own": "y = 1  # a number\nx = 1  # noqa: E501\n",
    "every exception": "try:\n    x = 1\nexcept Exception:\n    x = 2\n",
    "every exception and more": "try:\n    x = 1\nexcept (OSError, BaseException) as error:\n    raise\n",
    "whatever it is": "try:\n    x = 1\nexcept:\n    raise\n",
    "every exception of a block": "import contextlib\nwith contextlib.suppress(Exception):\n    x = 1\n",
    "explained in the block, but later": "try:\n    x = 1\nexcept Exception:\n    x = 2\n    # As it was.\n",
    "a test": "import pytest\n\n@pytest.mark.skip\ndef test() -> None: ...\n",
    "a test at times": "import pytest\n\n@pytest.mark.skipif(True)\ndef test() -> None: ...\n",
    "a test from here on": "import pytest\n\ndef test() -> None:\n    pytest.skip()\n",
    "a test that fails": "import pytest\n\n@pytest.mark.xfail(strict=True)\ndef test() -> None: ...\n",
}

SAID = {
    "on the line": "x = 1  # noqa: S104 (compared, not bound)\n",
    "on the line, as a comment of its own": "x: int = ''  # type: ignore[assignment]  # it is empty\n",
    "above the line": "# It is compared, not bound.\nx = 1  # noqa: S104\n",
    "above an except": "try:\n    x = 1\n# It is raised again.\nexcept BaseException:\n    raise\n",
    "beside an except": "try:\n    x = 1\nexcept BaseException:  # it is raised again\n    raise\n",
    "as a block's first words": "try:\n    x = 1\nexcept Exception:\n    # As it was.\n    x = 2\n",
    "as the first words of what suppresses": (
        "import contextlib\nwith contextlib.suppress(Exception):\n    # As it was.\n    x = 1\n"
    ),
    "to whoever runs the tests": "import pytest\n\ndef test() -> None:\n    pytest.skip('no such file system here')\n",
    "of a condition": "import pytest\n\n@pytest.mark.skipif(True, reason='only root may')\ndef test() -> None: ...\n",
    "and needs none": "try:\n    x = 1\nexcept OSError:\n    x = '# noqa: E501'\n",
}


def found(folder: Path, text: str) -> list[str]:
    module = folder / "module.py"
    module.write_text(text)
    return list(runpy.run_path(str(GATE))["breaches"](module))


@pytest.mark.parametrize("suppressed", MUTE)
def test_what_is_suppressed_without_a_reason_is_named_with_its_line(tmp_path: Path, suppressed: str) -> None:
    (said,) = found(tmp_path, MUTE[suppressed])
    assert re.match(rf"{tmp_path}/module\.py:\d+: ", said)


@pytest.mark.parametrize("said", SAID)
def test_a_reason_may_stand_wherever_it_is_read(tmp_path: Path, said: str) -> None:
    assert found(tmp_path, SAID[said]) == []


def test_the_gate_breaks_by_what_it_names_and_holds_without(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("x = 1  # noqa: E501\n")
    gate = [sys.executable, str(GATE), str(tmp_path)]
    broken = process.attempt(gate, deadline_seconds=30)
    assert (broken.code, broken.text) == (1, f"{tmp_path}/module.py:1: 'noqa: E501' does not say why\n")
    (tmp_path / "module.py").write_text("x = 1\n")
    assert process.attempt(gate, deadline_seconds=30).code == 0
