"""What the owner signed of an app or a catalog holds for that one, and for nothing beside it."""

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mosaic.crypto import approvals
from mosaic.crypto.account import owner_key_of
from mosaic.crypto.secret import Secret
from mosaic.wire.approval import CatalogTrust

SEED, OTHER = Secret(bytes(range(32))), Secret(bytes(32))
OWNER = owner_key_of(SEED)

printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
words = st.text(printable, min_size=1, max_size=12)
anything = st.text(max_size=12)
parts = st.tuples(words, words, words)
catalogs = st.tuples(words, words, words, words)


def approved(signature: str, account: str, app: str, digest: str, *, owner_key: str = OWNER) -> bool:
    return approvals.is_approved(signature, owner_key=owner_key, account=account, app=app, digest=digest)


def trusted(told: CatalogTrust, account: str, *, owner_key: str = OWNER) -> bool:
    return approvals.is_trusted(told, owner_key=owner_key, account=account)


@given(parts)
def test_what_the_owner_approved_is_approved(said: tuple[str, str, str]) -> None:
    account, app, digest = said
    approval = approvals.approve(SEED, account=account, app=app, digest=digest)
    assert approval.digest == digest
    assert approved(approval.signature, *said)
    assert not approved(approval.signature, *said, owner_key=owner_key_of(OTHER))


@given(parts, st.tuples(anything, anything, anything))
def test_no_other_account_app_or_digest_is_approved_by_it(
    said: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assume(other != said)
    account, app, digest = said
    signature = approvals.approve(SEED, account=account, app=app, digest=digest).signature
    assert not approved(signature, *other)
    for at in (at for at in range(3) if other[at] != said[at]):
        changed = [*said[:at], other[at], *said[at + 1 :]]
        assert not approved(signature, changed[0], changed[1], changed[2])


@given(st.lists(words, min_size=4, max_size=6), st.integers(1, 2))
def test_lines_cannot_be_moved_from_one_word_to_the_next(lines: list[str], border: int) -> None:
    texts = ["\n".join(part) for part in (lines[:border], lines[border : border + 1], lines[border + 1 :])]
    # More than three lines in three words: one of these has a line feed, wherever the borders are.
    with pytest.raises(approvals.NotSigned):
        approvals.approve(SEED, account=texts[0], app=texts[1], digest=texts[2])
    catalog = approvals.trust(SEED, account=lines[0], name=lines[1], channel=lines[2], root_sha256=lines[3])
    assert not approved(catalog.signature, lines[0], lines[1], "\n".join(lines[2:4]))


@given(catalogs)
def test_a_catalog_that_the_owner_trusts_is_trusted(said: tuple[str, str, str, str]) -> None:
    account, name, channel, root = said
    told = approvals.trust(SEED, account=account, name=name, channel=channel, root_sha256=root)
    assert trusted(told, account)
    assert not trusted(told, account, owner_key=owner_key_of(OTHER))


@given(catalogs, anything, st.sampled_from(["account", "name", "channel", "root_sha256"]))
def test_no_other_name_channel_root_or_account_is_trusted_by_it(
    said: tuple[str, str, str, str], other: str, part: str
) -> None:
    account, name, channel, root = said
    told = approvals.trust(SEED, account=account, name=name, channel=channel, root_sha256=root)
    if part == "account":
        assume(other != account)
        assert not trusted(told, other)
        return
    assume(other != getattr(told, part))
    assert not trusted(msgspec.structs.replace(told, **{part: other}), account)


@pytest.mark.parametrize("word", ["", "two\nlines", "no\0", "bell\a", "half \ud800", "line\u2028feed"])
def test_a_word_that_is_no_line_is_neither_signed_nor_believed(word: str) -> None:
    with pytest.raises(approvals.NotSigned):
        approvals.approve(SEED, account="a", app=word, digest="sha256:0")
    with pytest.raises(approvals.NotSigned):
        approvals.trust(SEED, account="a", name="team", channel=word, root_sha256="0")
    assert not approved("00" * 64, "a", word, "sha256:0")
    assert not trusted(CatalogTrust(word, "stable", "0", "00" * 64), "a")


@pytest.mark.parametrize("signature", ["", "zz", "00" * 63, "00" * 64, "\ud800", "0" * 129])
def test_what_is_no_signature_approves_nothing(signature: str) -> None:
    assert not approved(signature, "a", "notes", "sha256:0")
    assert not trusted(CatalogTrust("team", "stable", "0", signature), "a")
