"""Which Device an installation goes to."""

import pytest

from mosaic.core.ids import DeviceId
from mosaic.core.schedule import Candidate, DeviceUnknown, NoDeviceFits, choose_device

ATTIC = Candidate(DeviceId("1"), "attic", admitted=True, connected=True, architecture="amd64")
CELLAR = Candidate(DeviceId("2"), "cellar", admitted=True, connected=False, architecture="arm64")
NEW = Candidate(DeviceId("3"), "new", admitted=False, connected=True)
BARE = Candidate(DeviceId("4"), "bare", admitted=True, connected=True)


def test_the_only_one_that_can_take_it_does() -> None:
    assert choose_device([ATTIC, CELLAR, NEW]) == "1"
    assert choose_device([ATTIC, BARE], architectures=["amd64"]) == "1"


def test_the_named_one_takes_it() -> None:
    assert choose_device([ATTIC, BARE], named="bare") == "4"
    assert choose_device([ATTIC, BARE], named="1") == "1"


@pytest.mark.parametrize(
    ("candidates", "named", "words"),
    [
        ([], None, "no device yet"),
        ([ATTIC, BARE], None, "attic, bare could each take it"),
        ([CELLAR], None, "cellar is not connected"),
        ([ATTIC, NEW], "new", "new waits to be admitted"),
    ],
)
def test_a_refusal_names_every_reason(candidates: list[Candidate], named: str | None, words: str) -> None:
    with pytest.raises(NoDeviceFits, match=words) as refused:
        choose_device(candidates, named=named)
    assert refused.value.hint


def test_the_architecture_must_fit() -> None:
    with pytest.raises(NoDeviceFits, match="attic is amd64, and the app is for riscv64"):
        choose_device([ATTIC], architectures=["riscv64"])
    with pytest.raises(NoDeviceFits, match="unknown architecture"):
        choose_device([BARE], architectures=["riscv64"])


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DeviceUnknown) as refused:
        choose_device([ATTIC], named="den")
    assert "attic" in refused.value.hint
    with pytest.raises(DeviceUnknown):
        choose_device([], named="den")
