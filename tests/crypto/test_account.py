"""Making, opening and re-wrapping an account's keys."""

import json
import re

import msgspec
import pytest

from mosaic.crypto import account, passphrase, recovery, unwrap

WORDS = "abandon ability able about above absent"


@pytest.fixture(scope="module")
def made() -> account.Made:
    return account.make(WORDS)


def test_the_passphrase_opens_what_it_made(made: account.Made) -> None:
    assert unwrap.unlock(made.new.keys, " Abandon ability ABLE  about above absent ") == made.opened


def test_another_passphrase_opens_nothing(made: account.Made) -> None:
    with pytest.raises(unwrap.PassphraseWrong):
        unwrap.unlock(made.new.keys, "abandon ability able about absent above")


def test_the_recovery_code_opens_the_root_alone(made: account.Made) -> None:
    assert unwrap.recover_root(made.new.keys, made.recovery_code.lower().replace("-", " ")) == made.opened.root


def test_another_recovery_code_is_said_to_be_anothers(made: account.Made) -> None:
    with pytest.raises(unwrap.RecoveryCodeWrong):
        unwrap.recover_root(made.new.keys, recovery.write(recovery.generate()))


def test_what_the_hive_is_sent_holds_no_secret(made: account.Made) -> None:
    """G6: neither the keys nor the recovery code nor the KEK are in what leaves this machine."""
    sent = msgspec.json.encode(made.new).decode()
    kek = passphrase.derive(WORDS, made.new.keys.kdf).kek
    for secret in (made.opened.root, made.opened.owner_seed, kek, recovery.read(made.recovery_code)):
        assert secret.reveal().hex() not in sent
    assert made.recovery_code not in sent
    assert not set(WORDS.split()) & set(re.findall(r"\w+", json.dumps(json.loads(sent))))


def test_a_new_passphrase_opens_the_same_keys_and_ends_the_old_one(made: account.Made) -> None:
    new = account.rewrap(made.new.keys, made.opened, "zoo zone zero zebra youth young")
    assert unwrap.unlock(new.keys, "zoo zone zero zebra youth young") == made.opened
    assert new.keys.version == made.new.keys.version + 1
    assert unwrap.recover_root(new.keys, made.recovery_code) == made.opened.root
    with pytest.raises(unwrap.PassphraseWrong):
        unwrap.unlock(new.keys, WORDS)


def test_a_new_recovery_code_ends_the_old_one(made: account.Made) -> None:
    renewed = account.renew_recovery(made.new.keys, made.opened, WORDS)
    assert unwrap.recover_root(renewed.new.keys, renewed.recovery_code) == made.opened.root
    with pytest.raises(unwrap.RecoveryCodeWrong):
        unwrap.recover_root(renewed.new.keys, made.recovery_code)
