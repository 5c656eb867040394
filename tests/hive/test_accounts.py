"""Setting up, logging in, and keys that the Hive keeps without being able to open them."""

from collections.abc import Callable, Iterator

import httpx2
import msgspec
import pytest

from mosaic.adapters.api_client import HiveClient
from mosaic.adapters.backup_files import BackupFiles
from mosaic.adapters.sql import accounts
from mosaic.adapters.sql.accounts import Account as SqlAccount
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.core.ids import AccountId
from mosaic.crypto import account as account_keys
from mosaic.crypto import backup_code, unwrap
from mosaic.crypto.passphrase import KdfRefused, derive
from mosaic.crypto.password import hash_password
from mosaic.hive.reset_password import AccountUnknown, reset_password
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import COOKIE, CSRF_HEADER
from mosaic.wire.account import MOST_LANES, MOST_MEMORY_KIB, MOST_PASSES, NewAccountKeys
from mosaic.wire.api import Account, LoggedIn, Login, SetKeys, Setup, SetupState
from mosaic.wire.hive_backup import HiveKit, KitRequest
from mosaic.wire.store_envelope import StoreEnvelope
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.running_hive import PASSWORD, SETUP_CODE, Owner, RunningHive, made_keys
from support.waiting import eventually

pytestmark = pytest.mark.long


def log_in(hive: RunningHive, password: str = PASSWORD, name: str = "ada") -> LoggedIn:
    return hive.client_of("").send("POST", "/api/login", Login(name, password, "a test"), LoggedIn)


def code_of(call: "pytest.ExceptionInfo[MosaicError]") -> str:
    return call.value.code


def test_the_first_account_is_made_once_and_with_the_code_only(hive: RunningHive) -> None:
    client = hive.client_of("")
    assert client.get("/api/setup", SetupState).needed
    with pytest.raises(Refused) as wrong:
        client.send("POST", "/api/setup", Setup("zzzz-zzzz-zzzz", "ada", PASSWORD), LoggedIn)
    assert code_of(wrong) == "setup-code-wrong"
    hive.set_up()
    assert not client.get("/api/setup", SetupState).needed
    assert not hive.config.setup_code_file.exists()
    with pytest.raises(Conflict) as again:
        client.send("POST", "/api/setup", Setup(SETUP_CODE, "bob", PASSWORD), LoggedIn)
    assert code_of(again) == "setup-done"


def test_bad_set_ups_are_refused_in_one_sentence_and_change_nothing(hive: RunningHive) -> None:
    client = hive.client_of("")
    weak = msgspec.structs.replace(made_keys().new, auth_key="12")
    for setup, code in (
        (Setup(SETUP_CODE, "ada", "short"), "password-too-weak"),
        (Setup(SETUP_CODE, "", PASSWORD), "account-name-unusable"),
        (Setup(SETUP_CODE, "ada", PASSWORD, weak), "keys-unusable"),
        *((Setup(SETUP_CODE, "ada", PASSWORD, keys), "keys-unusable") for keys in _keys_that_no_client_takes()),
    ):
        with pytest.raises(Refused) as refused:
            client.send("POST", "/api/setup", setup, LoggedIn)
        assert code_of(refused) == code
        assert refused.value.hint
    assert client.get("/api/setup", SetupState).needed


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(owner: Owner) -> None:
    for name, password in (("ada", "wrong horse"), ("bob", PASSWORD)):
        with pytest.raises(Refused) as wrong:
            log_in(owner.hive, password, name)
        assert code_of(wrong) == "login-wrong"
    assert log_in(owner.hive).account == owner.logged_in.account


def test_guessing_is_stopped_and_the_right_password_waits_too(owner: Owner, clock: ManualClock) -> None:
    for _ in range(10):
        with pytest.raises(Refused):
            log_in(owner.hive, "wrong horse")
    with pytest.raises(Refused) as stopped:
        log_in(owner.hive)
    assert code_of(stopped) == "login-too-often"
    clock.advance(15 * 60)
    log_in(owner.hive)


def test_a_token_ends_with_the_logout(owner: Owner) -> None:
    token = log_in(owner.hive).token
    client = owner.hive.client_of(token)
    assert client.get("/api/account", Account).name == "ada"
    client.order("POST", "/api/logout")
    with pytest.raises(Refused) as ended:
        client.get("/api/account", Account)
    assert code_of(ended) == "not-signed-in"


def test_a_reset_password_logs_in_and_ends_every_session(owner: Owner) -> None:
    assert reset_password(owner.hive.config.state, "another horse") == "ada"
    assert log_in(owner.hive, "another horse").name == "ada"
    with pytest.raises(Refused), owner.client() as client:
        client.get("/api/account", Account)
    with pytest.raises(AccountUnknown):
        reset_password(owner.hive.config.state, "another horse", name="bob")


def test_a_cookie_changes_nothing_without_its_csrf_header(owner: Owner) -> None:
    token = _browser_session(owner)
    url = owner.hive.url
    with httpx2.Client(base_url=url, cookies={COOKIE: token}, trust_env=False) as browser:
        assert browser.get("/api/account").status_code == 200
        refused = browser.post("/api/installations", json={"app": "notes"})
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf-missing")
        csrf = browser.get("/account").text.partition('name="csrf" value="')[2].partition('"')[0]
        passed = browser.post("/api/installations", json={"app": "notes"}, headers={CSRF_HEADER: csrf})
        assert passed.json()["code"] == "device-unclear"
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as bearer:
        assert bearer.get("/api/account").status_code == 401


def _browser_session(owner: Owner) -> str:
    with httpx2.Client(base_url=owner.hive.url, trust_env=False) as browser:
        answer = browser.post("/login", data={"name": "ada", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        return str(answer.cookies[COOKIE])


def test_keys_are_replaced_only_by_who_knows_the_old_passphrase_and_the_newest_version(owner: Owner) -> None:
    made = made_keys()
    again = account_keys.rewrap(made.new.keys, made.opened, "zoo zone zero youth young yellow")
    with owner.client() as client:
        with pytest.raises(Refused) as unproved:
            client.send("PUT", "/api/account/keys", SetKeys(again, "00" * 32), Account)
        assert code_of(unproved) == "passphrase-differs"
        changed = client.send("PUT", "/api/account/keys", SetKeys(again, made.new.auth_key), Account)
        assert changed.keys == again.keys
        with pytest.raises(Conflict) as stale:
            client.send("PUT", "/api/account/keys", SetKeys(again, again.auth_key), Account)
        assert code_of(stale) == "keys-changed"


def _keys_that_no_client_takes() -> Iterator[NewAccountKeys]:
    """Keys whose passphrase every client would refuse to derive from, or of a version that no database holds."""
    new = made_keys().new
    keys, replace = new.keys, msgspec.structs.replace
    for kdf in (
        replace(keys.kdf, memory_kib=MOST_MEMORY_KIB + 1),
        replace(keys.kdf, passes=MOST_PASSES + 1),
        replace(keys.kdf, lanes=MOST_LANES + 1),
        replace(keys.kdf, salt=keys.kdf.salt + "00"),
    ):
        with pytest.raises(KdfRefused):
            derive("any words", kdf)
        yield replace(new, keys=replace(keys, kdf=kdf))
    yield replace(new, keys=replace(keys, version=2**63))


def test_the_owner_key_that_devices_pinned_cannot_be_exchanged(owner: Owner) -> None:
    made = made_keys()
    other = msgspec.structs.replace(made.new.keys, owner_key="ab" * 32, version=2)
    with owner.client() as client, pytest.raises(Refused) as refused:
        client.send(
            "PUT",
            "/api/account/keys",
            SetKeys(msgspec.structs.replace(made.new, keys=other), made.new.auth_key),
            Account,
        )
    assert code_of(refused) == "keys-unusable"


def test_the_hive_proves_who_it_is(hive: RunningHive) -> None:
    with HiveClient(hive.url) as client:
        first = client.identity()
    hive.stop()
    hive.start()
    with HiveClient(hive.url) as client:
        assert client.identity().key == first.key


def test_a_rotation_ends_the_old_passphrase_and_nothing_else(owner: Owner, joined: Callable[[str], FakeDevice]) -> None:
    made, attic = made_keys(), joined("attic")
    installed = owner.install()
    eventually(lambda: owner.installation().phase == "settled")
    again = account_keys.renew_recovery(made.new.keys, made.opened, "zoo zone zero youth young yellow")
    with owner.client() as client:
        client.send("PUT", "/api/account/keys", SetKeys(again.new, made.new.auth_key), Account)
        with pytest.raises(Refused) as refused:
            client.send("POST", "/api/hive/kit", KitRequest(made.new.auth_key), HiveKit)
        assert code_of(refused) == "passphrase-differs"
        assert client.get("/api/account", Account).keys == again.new.keys, "this login goes on"
    attic.commit(installed.installation)

    def envelope() -> StoreEnvelope:
        item = attic.assigned("notes")
        assert item is not None and item.volumes[0].store_envelope is not None
        return msgspec.json.decode(bytes.fromhex(item.volumes[0].store_envelope), type=StoreEnvelope)

    eventually(lambda: envelope().recovery_root == again.new.keys.recovery_root)
    found = envelope()
    root = unwrap.recover_wrapped_root(found.recovery_root, again.recovery_code, owner_key=found.owner_key)
    assert root.reveal() == made.opened.root.reveal()
    with pytest.raises(unwrap.RecoveryCodeWrong):
        unwrap.recover_wrapped_root(found.recovery_root, made.recovery_code, owner_key=found.owner_key)


def test_the_hives_backup_code_is_told_to_who_knows_the_passphrase(owner: Owner) -> None:
    with owner.client() as client:
        with pytest.raises(Refused):
            client.send("POST", "/api/hive/kit", KitRequest("00" * 32), HiveKit)
        kit = client.send("POST", "/api/hive/kit", KitRequest(made_keys().new.auth_key), HiveKit)
    assert backup_code.read(kit.backup_code).reveal() == BackupFiles(owner.hive.config.state).seed().reveal()
    assert kit.to is None


def test_the_hives_backup_code_is_told_to_no_other_account(owner: Owner) -> None:
    # It opens the database of all accounts, and each has a passphrase of its own.
    hive, proof = owner.hive, made_keys().new.auth_key
    verifiers = hash_password(PASSWORD), hash_password(proof)
    bob = SqlAccount(AccountId("bobsaccount"), "bob", verifiers[0], made_keys().new.keys, verifiers[1])

    async def add(inside: Hive) -> None:
        await inside.write(lambda tx: accounts.add(tx, bob, now_ns=inside.clock.wall_ns() + 1))

    hive.ask(add)
    client = hive.client_of(log_in(hive, name="bob").token)
    with pytest.raises(Refused) as refused:
        client.send("POST", "/api/hive/kit", KitRequest(proof), HiveKit)
    assert code_of(refused) == "not-the-hives-owner"
    with owner.client() as first:
        assert first.send("POST", "/api/hive/kit", KitRequest(proof), HiveKit).backup_code
