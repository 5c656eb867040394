"""What an app may not ask for is refused before anything is written; what its owner signed is passed on."""

from collections.abc import Callable
from functools import partial

import pytest

from mosaic.core.errors import MosaicError
from mosaic.core.keep_rule import write_rule
from mosaic.core.retention import Retention
from mosaic.crypto import grants
from mosaic.crypto.account import owner_key_of
from mosaic.crypto.secret import Secret
from mosaic.wire.api import Policy
from mosaic.wire.grants import PolicyGrant
from support.fake_device import FakeDevice
from support.running_hive import Owner, made_keys, write_app
from support.waiting import eventually

pytestmark = pytest.mark.long

Join = Callable[[str], FakeDevice]

TOO_MUCH = {
    "privileged": ("privileged: true", "privileged", "privileged"),
    "host-path": ("volumes: ['/etc:/etc']", "volumes", "path:/etc"),
    "docker-socket": (
        "volumes: ['/var/run/docker.sock:/d']", "volumes", "docker-socket:/var/run/docker.sock",
    ),
    "host-network": ("network_mode: host", "network_mode", "host-network"),
}  # fmt: skip
NICE = (
    "services: {web: {image: web:1, cap_add: [SYS_NICE], ports: ['80'], volumes: ['files:/srv']}}\nvolumes: {files: {}}"
)


def refused(call: Callable[[], object]) -> MosaicError:
    with pytest.raises(MosaicError) as raised:
        call()
    return raised.value


def signed(owner: Owner, *keys: str, name: str = "nice") -> PolicyGrant:
    return grants.sign(made_keys().opened.owner_seed, account=owner.logged_in.account, name=name, keys=keys)


def policy(owner: Owner, grant: PolicyGrant | None = None, name: str = "nice") -> Policy:
    """Read the policy of an installation, or set it."""
    with owner.client() as client:
        path = f"/api/installations/{name}/policy"
        return client.get(path, Policy) if grant is None else client.send("PUT", path, grant, Policy)


@pytest.fixture
def nice(owner: Owner, joined: Join) -> FakeDevice:
    """A Device, and an app in the catalog that needs one capability."""
    write_app(owner.hive.config.catalogs[0], "nice", NICE)
    return joined("attic")


@pytest.mark.parametrize("app", TOO_MUCH)
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_app_that_asks_for_too_much_is_refused_and_nothing_is_written(
    owner: Owner, joined: Join, app: str, dry_run: bool
) -> None:
    joined("attic")
    asked, key, grant = TOO_MUCH[app]
    write_app(owner.hive.config.catalogs[0], app, f"services:\n  web:\n    image: web:1\n    {asked}\n")
    said = refused(lambda: owner.install(app, dry_run=dry_run))
    assert said.code == "policy-refused"
    assert f"service web, {key}:" in said.message
    assert f"`mosaic install {app} --grant {grant}`" in said.hint
    assert refused(lambda: owner.installation(app)).code == "installation-unknown"
    assert list((owner.hive.config.state / "bundles").glob("sha256*")) == []
    assert not any(event.kind == "installed" for event in owner.happened())


def test_a_variable_without_a_value_is_named_before_anything_is_written(owner: Owner, joined: Join) -> None:
    joined("attic")
    write_app(owner.hive.config.catalogs[0], "blank", "services: {web: {image: web:1, user: '$WHO'}}\n")
    assert refused(lambda: owner.install("blank")).code == "variables-unknown"
    assert refused(lambda: owner.install("blank", config={"OTHER": "x"}, dry_run=True)).code == "variables-unknown"
    assert owner.install("blank", config={"WHO": "0"}).name == "blank"


def test_a_variable_cannot_bring_in_what_policy_refuses(owner: Owner, joined: Join) -> None:
    joined("attic")
    write_app(owner.hive.config.catalogs[0], "sly", "services: {web: {image: web:1, network_mode: '$MODE'}}\n")
    assert refused(lambda: owner.install("sly", config={"MODE": "host"})).code == "policy-refused"


@pytest.mark.parametrize("ports", ["1-65535", "8080:$PORT"])
def test_an_app_whose_ports_cannot_be_published_is_refused_before_anything_is_written(
    owner: Owner, joined: Join, ports: str
) -> None:
    joined("attic")
    write_app(owner.hive.config.catalogs[0], "wide", f"services: {{web: {{image: web:1, ports: ['{ports}']}}}}\n")
    assert refused(lambda: owner.install("wide", config={"PORT": "none"})).code == "compose-invalid"
    assert refused(lambda: owner.installation("wide")).code == "installation-unknown"


def test_what_the_owner_grants_reaches_the_device_with_the_proof(owner: Owner, nice: FakeDevice) -> None:
    owner.install("nice", grant=signed(owner, "capability:SYS_NICE"))
    eventually(lambda: nice.assigned("nice") is not None)
    item = nice.assigned("nice")
    assert item is not None
    assert item.grants == ["capability:SYS_NICE"]
    key, account = owner.keys.keys.owner_key, owner.logged_in.account
    assert grants.is_signed(item.grants, item.grant_proof, owner_key=key, account=account, name="nice")


def test_the_hive_takes_no_grant_that_the_owner_did_not_sign_for_this_installation(
    owner: Owner, nice: FakeDevice
) -> None:
    other = grants.sign(
        Secret(bytes(32)), account=owner.logged_in.account, name="nice", keys=["capability:SYS_NICE"]
    )  # fmt: skip
    assert owner_key_of(Secret(bytes(32))) != owner.keys.keys.owner_key
    elsewhere = signed(owner, "capability:SYS_NICE", name="other")
    for grant in (other, elsewhere, PolicyGrant(["capability:SYS_NICE"], "")):
        assert refused(partial(owner.install, "nice", grant=grant)).code == "grant-wrong"
    assert refused(lambda: owner.installation("nice")).code == "installation-unknown"


def test_a_grant_of_what_the_app_does_not_ask_for_is_a_slip(owner: Owner, nice: FakeDevice) -> None:
    said = refused(lambda: owner.install("nice", grant=signed(owner, "capability:SYS_NICE", "privileged")))
    assert (said.code, "capability:SYS_NICE" in said.hint) == ("grant-unusable", True)


def test_a_grant_can_be_given_listed_and_taken_back(owner: Owner, nice: FakeDevice) -> None:
    grant = signed(owner, "capability:SYS_NICE")
    owner.install("nice", grant=grant)
    eventually(lambda: owner.installation("nice").phase == "settled")
    kept = write_rule(Retention())
    assert policy(owner) == Policy("nice", ["capability:SYS_NICE"], ["capability:SYS_NICE"], kept)
    first = nice.assigned("nice")
    policy(owner, grant)
    assert policy(owner, signed(owner)).grants == []
    eventually(lambda: (item := nice.assigned("nice")) is not None and item.grants == [])
    after = nice.assigned("nice")
    assert first is not None and after is not None
    # The same once more changes nothing; taking it back makes the Device check the app anew.
    assert after.config_revision == first.config_revision + 1
    told = [event.text for event in owner.happened() if event.kind == "policy-changed"]
    assert told == ["nice is granted nothing beyond policy."]


def test_restored_under_another_name_it_is_granted_nothing_until_the_owner_grants_it_anew(
    owner: Owner, nice: FakeDevice
) -> None:
    owner.install("nice", grant=signed(owner, "capability:SYS_NICE"))
    eventually(lambda: owner.installation("nice").phase == "settled")
    entry = owner.uninstall("nice")
    eventually(lambda: owner.trash()[0].saved)
    owner.restore(entry.installation, name="kind")
    assert policy(owner, name="kind").grants == []
    again = signed(owner, "capability:SYS_NICE", name="kind")
    assert policy(owner, again, name="kind").grants == policy(owner, name="kind").grants == again.keys


def test_the_catalog_says_what_an_app_asks_for_and_brings(owner: Owner, nice: FakeDevice) -> None:
    found = next(one for one in owner.catalog() if one.app == "nice")
    assert (found.asks, found.ports, found.volumes) == (["capability:SYS_NICE"], ["web 80/tcp"], ["files"])
