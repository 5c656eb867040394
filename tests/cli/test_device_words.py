"""What a Device is told by its environment, a file or a person, and that it goes no further."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.cli.up import device_words
from mosaic.cli.up.device_words import Asked, ByOwner, Given, InFile, PassphraseFileUnusable, Words, WordUnreadable

FILE, OPTION = Path("/etc/mosaic/passphrase"), Path("/root/words")


@pytest.mark.parametrize(
    ("words", "option", "is_mounted", "is_terminal", "wanted"),
    [
        (Words(passphrase="six", passphrase_file=FILE), OPTION, True, True, InFile(OPTION)),
        (Words(passphrase="six", passphrase_file=FILE), None, True, True, Given("six")),
        (Words(passphrase_file=FILE), None, True, True, InFile(FILE)),
        (Words(), None, True, True, InFile(device_words.SECRET_MOUNT)),
        (Words(), None, False, True, Asked()),
        (Words(), None, False, False, ByOwner()),
    ],
)
def test_what_was_said_most_plainly_counts_and_a_terminal_is_asked_last(
    words: Words, option: Path | None, is_mounted: bool, is_terminal: bool, wanted: device_words.Source
) -> None:
    assert device_words.source(words, option=option, is_mounted=is_mounted, is_terminal=is_terminal) == wanted


@given(
    st.dictionaries(
        st.sampled_from(["MOSAIC_JOIN", "MOSAIC_NAME", "MOSAIC_PASSPHRASE", "MOSAIC_PASSPHRASE_FILE", "PATH", "HOME"]),
        st.text(st.characters(exclude_characters="\0")),
    )
)
def test_what_was_taken_is_in_no_childs_environment_whatever_it_was(environment: dict[str, str]) -> None:
    others = {name: value for name, value in environment.items() if not name.startswith("MOSAIC")}
    try:
        words = device_words.take(environment)
    except WordUnreadable as refused:
        assert refused.__context__ is None
    else:
        assert (words.token or "") == words.token if words.token else True
    assert environment == others


def test_words_that_are_empty_were_not_said() -> None:
    said = {"MOSAIC_JOIN": "", "MOSAIC_NAME": " ", "MOSAIC_PASSPHRASE": "", "MOSAIC_PASSPHRASE_FILE": ""}
    assert device_words.take(said) == Words()


def test_a_passphrase_is_taken_as_it_stands() -> None:
    assert device_words.take({"MOSAIC_PASSPHRASE": " a'b $c "}).passphrase == " a'b $c "


def test_printing_what_was_said_shows_neither_token_nor_passphrase() -> None:
    words = device_words.take({"MOSAIC_JOIN": "mosaic-join-1.abc", "MOSAIC_PASSPHRASE": "six words"})
    shown = f"{words!r} {Given('six words')!r}"
    assert "six words" not in shown and "mosaic-join" not in shown


def test_a_word_that_is_not_text_is_refused_by_its_name_and_is_out_all_the_same() -> None:
    environment = {"MOSAIC_PASSPHRASE": "six\udcff", "MOSAIC_JOIN": "x"}
    with pytest.raises(WordUnreadable, match="MOSAIC_PASSPHRASE is not text") as refused:
        device_words.take(environment)
    assert "six" not in f"{refused.value.message}{refused.value.hint}"
    assert environment == {}


def test_a_file_holds_the_passphrase_without_the_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(" six words \r\n")
    assert device_words.read_passphrase(file) == " six words "


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\n \n", "empty"), (b"\xff\xfe", "not text"), (b"a" * 70_000, "64 KiB")]
)
def test_a_file_without_a_passphrase_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(content)
    with pytest.raises(PassphraseFileUnusable, match=reason):
        device_words.read_passphrase(file)


def test_a_folder_that_the_engine_made_in_the_files_place_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(PassphraseFileUnusable, match="it is a folder"):
        device_words.read_passphrase(tmp_path)
    with pytest.raises(PassphraseFileUnusable, match="No such file"):
        device_words.read_passphrase(tmp_path / "missing")
