"""Every error code is explained."""

from docs.error_table import PAGE, entries


def test_every_error_code_has_an_entry() -> None:
    page = PAGE.read_text()
    missing = sorted({entry.code for entry in entries() if f"`{entry.code}`" not in page})
    assert missing == [], "run `python -m tests.docs.error_table` from the checkout"


def test_no_entry_is_left_of_an_error_that_is_gone() -> None:
    codes = {entry.code for entry in entries()}
    listed = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| <a")}
    assert listed - codes == set(), "run `python -m tests.docs.error_table` from the checkout"


def test_every_error_says_what_it_means() -> None:
    assert [entry.code for entry in entries() if not entry.means] == []
