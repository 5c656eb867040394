"""The browser makes exactly the bytes that mosaic.crypto makes, and refuses what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from mosaic.crypto import account as account_keys
from mosaic.crypto import admission, recovery, unwrap
from mosaic.crypto.x25519 import generate
from mosaic.wire.account import NewAccountKeys, OwnerAdmission
from support.running_hive import RunningHive, running_hive

pytestmark = pytest.mark.browser
VECTORS = json.loads((Path(__file__).parents[1] / "vectors/crypto.json").read_text())
WORDS = "zoo wolf abandon able acid zone"


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHive]:
    """One Hive for all of them: they only read its scripts."""
    with running_hive(tmp_path_factory.mktemp("hive")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(chromium: Browser, hive: RunningHive) -> Iterator[Page]:
    """A page of the Hive with `keys` (the module), `argon2id` and `ask` (the worker) at hand."""
    page = chromium.new_page()
    page.goto(f"{hive.url}/login")
    style = page.locator('link[rel="stylesheet"]').get_attribute("href")
    assert style is not None
    folder = style.rsplit("/", 1)[0]
    page.evaluate(
        """async (folder) => {
            await import(`${folder}/vendor/argon2.umd.min.js`);
            globalThis.keys = await import(`${folder}/js/keys.js`);
            globalThis.recognise = await import(`${folder}/js/recognise.js`);
            globalThis.ask = (await import(`${folder}/js/ask.js`)).ask;
            globalThis.argon2id = (options) => hashwasm.argon2id(options);
        }""",
        folder,
    )
    yield page
    page.close()


def test_a_passphrase_is_normalised_alike(keys: Page) -> None:
    given = VECTORS["passphrase"]
    assert keys.evaluate("(typed) => keys.normalise(typed)", given["typed"]) == given["normalised"]


def test_a_passphrase_derives_the_same_two_keys(keys: Page) -> None:
    given = VECTORS["passphrase"]
    derived = keys.evaluate(
        """async ([typed, kdf]) => {
            const { authKey, kek } = await keys.derive(typed, kdf, argon2id);
            return [keys.hex(authKey), keys.hex(kek)];
        }""",
        [given["typed"], given["kdf"]],
    )
    assert derived == [given["auth_key"], given["kek"]]


@pytest.mark.parametrize("kdf", VECTORS["refused_kdf"], ids=str)
def test_parameters_that_a_client_refuses_are_refused_before_anything_is_derived(keys: Page, kdf: object) -> None:
    refused = keys.evaluate(
        "(kdf) => keys.derive('x', kdf, () => { throw new Error('derived') }).catch((error) => error.hint)", kdf
    )
    assert "ask whoever runs it what was changed" in refused


@pytest.mark.parametrize("envelope", VECTORS["envelopes"], ids=lambda envelope: envelope["label"])
def test_every_envelope_is_sealed_alike(keys: Page, envelope: dict[str, str]) -> None:
    sealed = keys.evaluate(
        """async (given) => {
            const kind = Object.values(keys.KIND).find(([number]) => number === given.kind);
            const [key, wrapping, subject, nonce] =
                [given.key, given.wrapping_key, given.subject, given.nonce].map(keys.unhex);
            return keys.hex(await keys.seal(kind, key, wrapping, subject, nonce));
        }""",
        envelope,
    )
    assert sealed == envelope["envelope"]


def test_the_root_key_is_wrapped_to_a_device_alike(keys: Page) -> None:
    given = VECTORS["root_for_device"]
    sealed = keys.evaluate(
        """async (given) => {
            const [root, device, seed, ephemeral] =
                [given.root, given.device_public, given.owner_seed, given.ephemeral_private].map(keys.unhex);
            return keys.hex(await keys.sealForDevice(root, device, seed, ephemeral));
        }""",
        given,
    )
    assert sealed == given["envelope"]


def test_an_approval_is_signed_alike(keys: Page) -> None:
    given = {**VECTORS["approval"], "seed": VECTORS["owner"]["seed"]}
    signed = keys.evaluate(
        "(given) => keys.approval(keys.unhex(given.seed), given.account, given.app, given.digest)", given
    )
    assert signed == {"digest": given["digest"], "signature": given["signature"]}
    refused = keys.evaluate(
        """(given) => keys.approval(keys.unhex(given.seed), given.account, given.app + "\\n", given.digest)
            .then(() => "signed", (error) => error.message)""",
        given,
    )
    assert refused == "This app has a name that cannot be signed for."


def test_an_admission_is_signed_alike(keys: Page) -> None:
    given = VECTORS["admission"]
    signed = keys.evaluate(
        "(given) => keys.admission(keys.unhex(given.owner_seed), given.account, given.subject)", given
    )
    assert signed["signature"] == given["signature"]


def test_a_device_is_recognised_alike(keys: Page) -> None:
    given = VECTORS["device_keys"]
    shown = keys.evaluate(
        """async (given) => {
            const one = {
                device: given.device,
                signingKey: given.signing_key,
                wrappingKey: given.wrapping_key,
                ownerKey: given.owner_key,
            };
            const other = { ...one, wrappingKey: given.signing_key };
            return {
                fingerprint: await recognise.fingerprint(one),
                by_token: await recognise.byToken(one, given.binding),
                signed: [await recognise.areSigned(one, given), await recognise.areSigned(other, given)],
            };
        }""",
        given,
    )
    assert shown == {"fingerprint": given["fingerprint"], "by_token": given["by_token"], "signed": [True, False]}


def test_a_recovery_code_is_written_alike(keys: Page) -> None:
    given = VECTORS["recovery"]
    assert keys.evaluate("(raw) => keys.writeRecovery(keys.unhex(raw))", given["code_bytes"]) == given["printed"]


@pytest.mark.parametrize("typed", ["", "short", "aaaa aaaa aaaa aaaa", "one two three four", "correct horse battery"])
def test_a_passphrase_of_ones_own_is_judged_alike(keys: Page, typed: str) -> None:
    from mosaic.crypto import passphrase

    try:
        passphrase.check_strength(typed)
        weak = False
    except passphrase.PassphraseTooWeak:
        weak = True
    assert (keys.evaluate("(typed) => keys.weakness(typed)", typed) is not None) is weak


def test_what_the_worker_makes_opens_outside_the_browser(keys: Page) -> None:
    made = keys.evaluate("(passphrase) => ask({ job: 'make', passphrase })", WORDS)
    new = msgspec.convert(made["new"], NewAccountKeys)
    opened = unwrap.unlock(new.keys, WORDS)
    assert account_keys.owner_key_of(opened.owner_seed) == new.keys.owner_key
    assert unwrap.recover_root(new.keys, made["recoveryCode"]) == opened.root
    assert new.keys.root_id == account_keys.root_id_of(opened.root)
    assert len(recovery.read(made["recoveryCode"])) == recovery.CODE_BYTES


def test_the_worker_admits_a_device_that_can_then_open_the_root_key(keys: Page) -> None:
    made = account_keys.make(WORDS)
    device = generate()
    answer = keys.evaluate(
        """([accountKeys, wrappingKey, passphrase]) =>
            ask({ job: "admit", passphrase, accountKeys, account: "acc", device: "d1", wrappingKey })""",
        [msgspec.to_builtins(made.new.keys), device.public, WORDS.upper()],
    )
    owner_key = made.new.keys.owner_key
    admission.check(msgspec.convert(answer["admission"], OwnerAdmission), owner_key=owner_key, account="acc")
    root = unwrap.open_root_for_device(answer["root_for_device"], device.private, owner_key=owner_key)
    assert answer["root_id"] == account_keys.root_id_of(root)
    assert root == made.opened.root


def test_a_wrong_passphrase_is_refused_in_words(keys: Page) -> None:
    made = account_keys.make(WORDS)
    refused = keys.evaluate(
        """(accountKeys) =>
            ask({ job: "admit", passphrase: "not it", accountKeys, account: "a", device: "d", wrappingKey: "00" })
                .catch((error) => [error.message, error.hint])""",
        msgspec.to_builtins(made.new.keys),
    )
    assert refused == ["This is not the passphrase of this account.", "Check the words and their order."]
