"""A Hive that names keys of its own for a Device is given nothing: what is encrypted goes to recognised keys (G6)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import click
import msgspec
import pytest

from cli.conftest import FakeHive
from cli.samples import GREEN
from mosaic.adapters.api_client import fingerprint as hive_fingerprint
from mosaic.cli import known_devices, recognising
from mosaic.core.audit import Entry, Head, Row, after, follow
from mosaic.crypto import device_keys, signing, unwrap, x25519
from mosaic.crypto.account import Made
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.hashing import device_id
from mosaic.crypto.secret import Secret
from mosaic.crypto.tokens import hash_token
from mosaic.crypto.x25519 import WrappingKey
from mosaic.wire import enrol
from mosaic.wire.api import Account, Device
from mosaic.wire.audit import Page
from mosaic.wire.device_keys import KeyProof
from support.ran import Json, Ran
from support.running_hive import made_keys

Mosaic = Callable[..., Ran]
OWNER_KEY = made_keys().opened.owner_key
JOINED_BY = hash_token("the join secret")
BINDING = Secret(b"the binding")


@dataclass(frozen=True)
class Machine:
    """A machine with keys of its own."""

    seed: Secret
    wrapping: WrappingKey
    owner_key: str = OWNER_KEY

    @property
    def keys(self) -> DeviceKeys:
        key = signing.public_key(self.seed.reveal())
        return DeviceKeys(device_id(bytes.fromhex(key)), key, self.wrapping.public, self.owner_key)

    def proof(self, *, binding: Secret | None = None, root: Secret | None = None) -> KeyProof:
        by_token = device_keys.by_token(self.keys, binding) if binding else ""
        return device_keys.prove(self.keys, self.seed, token=JOINED_BY, by_token=by_token, root=root)


ATTIC = Machine(Secret(b"a" * 32), x25519.of(Secret(b"A" * 32)))
MISLED = Machine(ATTIC.seed, ATTIC.wrapping, owner_key="ee" * 32)
THE_HIVES = Machine(Secret(b"h" * 32), x25519.of(Secret(b"H" * 32)))


def told(keys: DeviceKeys, proof: KeyProof | None, *, has_root_key: bool = False) -> Device:
    """What a Hive says of attic."""
    waiting = Device(
        keys.device, "attic", False, has_root_key, keys.wrapping_key, True, None, GREEN, "", None, None, None, []
    )
    return msgspec.structs.replace(waiting, signing_key=keys.signing_key, proof=proof)


@pytest.fixture
def admit(mosaic: Mosaic, with_keys: FakeHive, words_file: str) -> Callable[..., Ran]:
    """Admit what the Hive calls attic."""

    def run(device: Device, *words: str) -> Ran:
        with_keys.answers["GET /api/devices"] = [device]
        with_keys.answers[f"POST /api/devices/{device.device}/admit"] = device
        return mosaic("device", "admit", "attic", "--passphrase-file", words_file, "--json", *words)

    return run


def sent(hive: FakeHive) -> list[Json]:
    """What was sent to admit somebody."""
    return [body for line, body in hive.asked if line.endswith("/admit")]


def opened_by(machine: Machine, hive: FakeHive, made: Made) -> Secret:
    return unwrap.open_root_for_device(
        sent(hive)[-1]["root_for_device"], machine.wrapping.private, owner_key=made.opened.owner_key
    )


def test_a_device_that_had_the_line_made_here_gets_the_root_key_without_a_question(
    admit: Callable[..., Ran], with_keys: FakeHive, made: Made
) -> None:
    known_devices.keep_binding(JOINED_BY, BINDING)

    ran = admit(told(ATTIC.keys, ATTIC.proof(binding=BINDING)))

    assert ran.code == 0, ran.stdout
    assert opened_by(ATTIC, with_keys, made) == made.opened.root
    assert known_devices.binding_of(JOINED_BY) is None


def test_a_device_whose_fingerprint_was_given_gets_the_root_key(
    admit: Callable[..., Ran], with_keys: FakeHive, made: Made
) -> None:
    """Also one of an earlier version, which says nothing of its keys."""
    ran = admit(told(ATTIC.keys, None), "--fingerprint", device_keys.fingerprint(ATTIC.keys))

    assert ran.code == 0, ran.stdout
    assert opened_by(ATTIC, with_keys, made) == made.opened.root


def test_a_device_that_took_the_root_key_by_the_passphrase_is_admitted_by_it(
    admit: Callable[..., Ran], with_keys: FakeHive, made: Made
) -> None:
    ran = admit(told(ATTIC.keys, ATTIC.proof(root=made.opened.root), has_root_key=True))

    assert ran.code == 0, ran.stdout
    assert sent(with_keys)[-1]["root_for_device"] is None


@pytest.mark.parametrize(
    ("device", "words", "code"),
    [
        (told(THE_HIVES.keys, THE_HIVES.proof()), [], "device-unproved"),
        (told(ATTIC.keys, None), [], "device-unproved"),
        (told(THE_HIVES.keys, THE_HIVES.proof(binding=Secret(b"a guess"))), [], "device-forged"),
        (
            told(replace(ATTIC.keys, wrapping_key=THE_HIVES.keys.wrapping_key), ATTIC.proof(binding=BINDING)),
            [],
            "device-forged",
        ),
        (told(replace(THE_HIVES.keys, device=ATTIC.keys.device), None), [], "device-forged"),
        (
            told(THE_HIVES.keys, THE_HIVES.proof()),
            ["--fingerprint", device_keys.fingerprint(ATTIC.keys)],
            "fingerprint-differs",
        ),
        (msgspec.structs.replace(told(ATTIC.keys, None), signing_key=""), [], "device-keys-untold"),
        (told(ATTIC.keys, MISLED.proof(binding=BINDING)), [], "device-forged"),
        (told(ATTIC.keys, None), ["--fingerprint", device_keys.fingerprint(MISLED.keys)], "fingerprint-differs"),
    ],
    ids=[
        "a machine of its own",
        "nothing said",
        "a guess",
        "its wrapping key",
        "its id",
        "not as shown",
        "no key",
        "a Device that was told of another owner",
        "the fingerprint of one",
    ],
)
def test_a_hive_that_names_another_wrapping_key_is_sent_nothing(
    admit: Callable[..., Ran], with_keys: FakeHive, device: Device, words: list[str], code: str
) -> None:
    known_devices.keep_binding(JOINED_BY, BINDING)

    ran = admit(device, *words)

    assert (ran.code, ran.value["error"]["code"], bool(ran.value["error"]["hint"])) == (1, code, True)
    assert sent(with_keys) == []


@pytest.mark.parametrize(("answer", "ended"), [(True, 0), (False, 1)])
def test_at_a_terminal_the_owner_is_shown_the_fingerprint_and_asked(
    admit: Callable[..., Ran], with_keys: FakeHive, monkeypatch: pytest.MonkeyPatch, *, answer: bool, ended: int
) -> None:
    asked: list[str] = []

    def confirm(question: str, *, err: bool) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", confirm)

    ran = admit(told(ATTIC.keys, ATTIC.proof()))

    assert ran.code == ended
    assert device_keys.fingerprint(ATTIC.keys) in ran.stderr
    assert asked == ["Is it the same, letter by letter?"]
    assert len(sent(with_keys)) == 1 - ended


def test_a_device_that_was_recognised_once_is_known_and_with_other_keys_refused(
    admit: Callable[..., Ran], with_keys: FakeHive
) -> None:
    assert admit(told(ATTIC.keys, None), "--fingerprint", device_keys.fingerprint(ATTIC.keys)).code == 0

    assert admit(told(ATTIC.keys, None)).code == 0
    ran = admit(told(replace(ATTIC.keys, wrapping_key=THE_HIVES.keys.wrapping_key), None))

    assert ran.value["error"]["code"] == "device-forged"
    assert len(sent(with_keys)) == 2


def test_keys_of_a_device_that_was_removed_here_are_refused_from_then_on() -> None:
    known_devices.remember("account", ATTIC.keys)
    known_devices.note_removed("account", ATTIC.keys.device)

    with pytest.raises(recognising.DeviceForged, match="you removed"):
        recognising.is_known(recognising.named(told(ATTIC.keys, ATTIC.proof()), OWNER_KEY), "account")


def test_the_fingerprint_that_the_hive_would_make_you_believe_is_shown_and_compared(
    mosaic: Mosaic, with_keys: FakeHive, words_file: str
) -> None:
    with_keys.answers["GET /api/devices"] = [told(THE_HIVES.keys, None)]
    unlocked = ("--passphrase-file", words_file, "--json")

    shown = mosaic("device", "fingerprint", "attic", "--json").value
    differs = mosaic("device", "fingerprint", "attic", "--is", device_keys.fingerprint(ATTIC.keys), "--json")
    same = mosaic("device", "fingerprint", "attic", "--is", shown["fingerprint"].upper(), *unlocked)

    assert (shown["fingerprint"], shown["known"]) == (device_keys.fingerprint(THE_HIVES.keys), False)
    assert differs.value["error"]["code"] == "fingerprint-differs"
    assert same.value["known"]


def test_a_device_that_the_hive_told_of_another_owner_is_not_recognised_by_naming_that_owner_here(
    mosaic: Mosaic, with_keys: FakeHive, made: Made, words_file: str
) -> None:
    """Or an action's secrets would go to a Device that believes what the Hive signs."""
    with_keys.answers["GET /api/devices"] = [told(MISLED.keys, MISLED.proof())]
    forged = msgspec.structs.replace(made.new.keys, owner_key=MISLED.owner_key)
    with_keys.answers["GET /api/account"] = Account("account", "owner", forged)
    shown = device_keys.fingerprint(MISLED.keys)

    ran = mosaic("device", "fingerprint", "attic", "--is", shown, "--passphrase-file", words_file, "--json")

    assert ran.code == 1
    assert known_devices.find("account", MISLED.keys.device) is None


def test_the_hive_is_told_the_hash_of_a_tokens_secret_and_nothing_of_its_binding(
    mosaic: Mosaic, with_keys: FakeHive
) -> None:
    with_keys.answers["GET /api/device-image"] = enrol.DeviceImage("mosaic/device:1")
    with_keys.answers["POST /api/devices/join-tokens"] = (201, None)

    token = enrol.read(mosaic("device", "add", "--passphrase-by", "owner", "--json").value["join_token"])

    asked = str(with_keys.asked)
    assert token.binding and token.binding not in asked and token.secret not in asked
    assert known_devices.binding_of(hash_token(token.secret)) == Secret(token.binding.encode())
    assert token.hive_fingerprint == hive_fingerprint(signing.public_key(b"h" * 32))
    assert token.binding not in repr(token) and token.secret not in repr(token)


def chain(*kinds: str) -> list[Row]:
    rows: list[Row] = []
    head = Head()
    for kind in kinds:
        rows.append(follow(head, Entry(1, "hive", kind)))
        head = after(head, rows[-1])
    return rows


@dataclass
class Log:
    """The log of attic as a Hive passes it on. `signer` None signs nothing; `nonce` is that of an older question."""

    rows: list[Row]
    signer: Machine | None = ATTIC
    nonce: str = ""
    signed: list[Row] | None = None

    def page(self, target: str) -> Page:
        end = (self.signed or self.rows)[-1]
        head = f"{end.n} {end.hash}"
        nonce = self.nonce or target.partition("nonce=")[2]
        signature = ""
        if self.signer is not None:
            signature = device_keys.sign_audit_head(head, nonce, self.signer.seed, ATTIC.keys.device)
        return Page(self.rows, self.rows[-1].n, head, signature)


@pytest.fixture
def verify(mosaic: Mosaic, with_keys: FakeHive) -> Callable[[Log], Ran]:
    def run(log: Log) -> Ran:
        with_keys.answers["GET /api/devices"] = [told(ATTIC.keys, ATTIC.proof())]
        with_keys.answers["GET /api/audit"] = Page([], 0)
        with_keys.answers[f"GET /api/devices/{ATTIC.keys.device}/audit"] = lambda _: log.page(with_keys.asked[-1][0])
        return mosaic("audit", "verify", "--json")

    return run


def test_a_log_that_its_device_signed_holds(verify: Callable[[Log], Ran]) -> None:
    known_devices.remember("account", ATTIC.keys)

    ran = verify(Log(chain("installed", "restart")))

    assert (ran.code, ran.value["compared"], ran.value["remarks"]) == (0, ["attic"], [])


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (Log(chain("nothing happened"), signer=THE_HIVES), "attic did not sign the log"),
        (Log(chain("nothing happened"), nonce="ab" * 32), "attic did not sign the log"),
        (Log(chain("nothing happened"), signed=chain("restart")), "does not end as attic signed it"),
        (Log(chain("installed", "restart"), signed=chain("installed")), "does not end as attic signed it"),
        (Log(chain("nothing happened"), signer=None), "came without its signature, and was signed before"),
        (Log(chain("nothing happened")), "row 1 of the log of attic is not the one that was there when"),
    ],
    ids=[
        "signed by the Hive",
        "an older answer",
        "another chain",
        "with rows added",
        "unsigned",
        "rewritten with the Device",
    ],
)
def test_a_chain_that_a_hive_invents_is_refused(verify: Callable[[Log], Ran], log: Log, said: str) -> None:
    known_devices.remember("account", ATTIC.keys)
    assert verify(Log(chain("installed"))).code == 0

    ran = verify(log)

    assert (ran.code, ran.value["error"]["code"]) == (1, "audit-broken")
    assert said in ran.value["error"]["message"]


def test_what_a_signature_does_not_show_is_said(verify: Callable[[Log], Ran]) -> None:
    unknown = verify(Log(chain("installed"))).value["remarks"]
    unsigned = verify(Log(chain("installed"), signer=None)).value["remarks"]

    assert "was not compared on this machine" in unknown[0]
    assert "its Hive could have invented it" in unsigned[0]


def test_a_hives_log_that_changed_since_it_was_verified_here_is_found(mosaic: Mosaic, with_keys: FakeHive) -> None:
    with_keys.answers["GET /api/devices"] = []

    def verified(rows: list[Row]) -> Ran:
        with_keys.answers["GET /api/audit"] = Page(rows, len(rows))
        return mosaic("audit", "verify", "--json")

    assert verified(chain("installed", "restart")).code == 0
    assert verified(chain("installed", "restart", "restart")).code == 0
    rewritten, cut = verified(chain("installed", "restart", "doctor")), verified(chain("installed"))

    assert "row 3 of the Hive's log is not the one" in rewritten.value["error"]["message"]
    assert "row 3 of the Hive's log is not there" in cut.value["error"]["message"]
