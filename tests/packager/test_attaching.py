"""Bills of materials and signatures lie beside a package, are found there, and are checked by who wants to."""

import base64
import json
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.exchange import Answer, Ask, Exchange
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.trust.key_folder import open_signing_key
from mosaic.cli.commands.app_keys import public
from mosaic.cli.commands.app_show import show
from mosaic.core import image_ref
from mosaic.core.oci_types import OCI_INDEX, Descriptor, Digest, digest_of, referrers_tag
from mosaic.crypto import pem_keys
from mosaic.crypto.secret import Secret
from mosaic.packager import signature
from mosaic.packager.attaching import Attachments, attach
from mosaic.packager.publishing import Report
from mosaic.packager.sbom import CYCLONEDX, SPDX, Sbom, SbomUnusable, media_type_of, read_sbom
from support.app_repositories import Workshop, push_image
from support.scripted_registry import Reply, Request, scripted_registry

SPDX_2 = b'{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"}'
SPDX_3 = b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}'
CDX = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}'
PRIVATE = b"""\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
"""
"""The private key of RFC 8410, section 10.3."""

PUBLIC = b"""\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
"""Its public key, from section 10.1."""


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "sign.pem"
    path.write_bytes(PRIVATE)
    path.chmod(0o600)
    return path


@pytest.fixture
def published(workshop: Workshop, key: Path) -> Report:
    """An app that was published with a bill of materials and a signature."""
    # The same app lies in the one registry of all these tests otherwise, with what they attached.
    workshop.namespace = "team-" + digest_of(str(workshop.folder).encode())[-12:]
    push_image(workshop.registries, workshop.host, "library/nginx", "alpine", b"one layer")
    workshop.write("httpd", compose=f"services:\n  web: {{image: {workshop.host}/library/nginx:alpine}}\n")
    workshop.commit()
    workshop.attachments = Attachments({"httpd": Sbom(SPDX_2, SPDX)}, open_signing_key(key))
    return workshop.publish()


def shown(workshop: Workshop, uri: str, *words: str) -> Result:
    return CliRunner().invoke(show, [uri, "--plain", workshop.host, *words], catch_exceptions=False)


def under(workshop: Workshop, uri: str, tag: str | None) -> tuple[Descriptor, ...]:
    """Return the layers of an artifact: under cosign's tag, or that of a listed signature."""
    reference = image_ref.parse(uri)
    registry, digest = workshop.registries.at(reference.registry), Digest(reference.digest or "")
    if tag is not None:
        return registry.image(reference.repository, registry.manifest(reference.repository, tag).digest).layers
    (listed,) = registry.referrers(reference.repository, digest, signature.ARTIFACT_TYPE)
    return registry.image(reference.repository, listed.digest).layers


@pytest.mark.registry
def test_what_is_attached_to_a_published_app_is_shown(workshop: Workshop, published: Report, tmp_path: Path) -> None:
    (tmp_path / "sign.pub").write_bytes(PUBLIC)
    lines = shown(workshop, published.apps["httpd"], "--key", str(tmp_path / "sign.pub")).stdout.splitlines()
    beside = [line.partition(", sha256:")[0].strip() for line in lines if "beside:" in line]
    assert beside == ["beside:   SBOM (SPDX)", "beside:   signature by the key that was given"]
    as_json = json.loads(shown(workshop, published.apps["httpd"], "--json").stdout)["attached"]
    assert [(one["artifact_type"], one["is_signed"]) for one in as_json] == [
        (SPDX, None),
        (signature.ARTIFACT_TYPE, None),
    ]


@pytest.mark.registry
def test_what_did_not_change_is_not_attached_twice(workshop: Workshop, published: Report) -> None:
    uri = published.apps["httpd"]
    before = shown(workshop, uri, "--json").stdout
    again = workshop.publish(forced=True)
    assert (again.apps["httpd"], shown(workshop, uri, "--json").stdout) == (uri, before)


@pytest.mark.registry
def test_a_program_that_knows_ed25519_checks_the_signature(
    workshop: Workshop, published: Report, tmp_path: Path
) -> None:
    uri = published.apps["httpd"]
    reference = image_ref.parse(uri)
    tag = signature.tag_of(Digest(reference.digest or ""))
    (layer,) = under(workshop, uri, tag)
    assert under(workshop, uri, None) == (layer,)
    payload = workshop.registries.at(workshop.host).blob(reference.repository, layer, most_bytes=1000)
    (tmp_path / "payload").write_bytes(payload)
    (tmp_path / "signature").write_bytes(base64.b64decode(layer.annotations["dev.cosignproject.cosign/signature"]))
    (tmp_path / "sign.pub").write_bytes(PUBLIC)
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "sign.pub", "-rawin", "-in", "payload"]
    checked = subprocess.run([*words, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(payload)["critical"]["image"] == {"docker-manifest-digest": reference.digest}


@pytest.mark.registry
def test_a_second_signer_joins_the_first_one(workshop: Workshop, published: Report, tmp_path: Path) -> None:
    uri = published.apps["httpd"]
    channel_key = next((workshop.folder / "online").glob("channel-stable-*.key"))
    workshop.attachments = Attachments(signer=open_signing_key(channel_key))
    workshop.publish()
    assert len(under(workshop, uri, signature.tag_of(Digest(uri.partition("@")[2])))) == 2
    told = CliRunner().invoke(public, [str(channel_key)], catch_exceptions=False).stdout
    (tmp_path / "channel.pub").write_text(told)
    found = json.loads(shown(workshop, uri, "--json", "--key", str(tmp_path / "channel.pub")).stdout)["attached"]
    signed = [one["is_signed"] for one in found if one["artifact_type"] == signature.ARTIFACT_TYPE]
    assert sorted(signed) == [False, True]


@pytest.mark.registry
def test_a_bill_of_materials_of_no_app_is_refused_before_anything_is_pushed(workshop: Workshop) -> None:
    workshop.write("httpd", compose="services:\n  web: {image: nothing.invalid/nothing:1}\n")
    workshop.commit()
    workshop.attachments = Attachments({"http": Sbom(CDX, CYCLONEDX)})
    with pytest.raises(SbomUnusable, match="there is no app 'http'") as refused:
        workshop.publish()
    assert refused.value.hint == "name one of httpd"


def test_a_registry_with_lists_of_its_own_needs_no_tag_for_them() -> None:
    listed: dict[str, bytes] = {}
    manifest = b'{"a": "package"}'

    def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(200)
        if request.method == "PUT":
            listed[request.path.rpartition("/")[2]] = request.content
            return Reply(201, {"OCI-Subject": digest_of(manifest)})
        if "/referrers/" in request.path:
            read = {name: documents.read_image(content) for name, content in listed.items() if ":" in name}
            entries = [
                Descriptor("m", Digest(name), 1, artifact_type=image.artifact_type)
                for name, image in read.items()
                if image.subject is not None
            ]
            return Reply(headers={"Content-Type": OCI_INDEX}, body=documents.write_index(entries))
        return Reply(404)

    with scripted_registry(answer) as server, closing(Registries(NoCredentials())) as registries:
        seed = pem_keys.seed_of(PRIVATE)
        for _ in range(2):
            uri = f"{server.host}/team/httpd@{digest_of(manifest)}"
            attach(Attachments({"httpd": Sbom(CDX, CYCLONEDX)}, seed), "httpd", uri, manifest, registries)
        found = registries.at(server.host).referrers("team/httpd", digest_of(manifest))
    assert [one.artifact_type for one in found] == [CYCLONEDX, signature.ARTIFACT_TYPE]
    assert referrers_tag(digest_of(manifest)) not in listed


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (SPDX_2, SPDX),
        (SPDX_3, SPDX),
        (CDX, CYCLONEDX),
        (b"{}", None),
        (b"[]", None),
        (b"SPDXVersion: SPDX-2.3", None),
        (b'<bom xmlns="http://cyclonedx.org/schema/bom/1.6"/>', None),
        (b'{"bomFormat": "CycloneDX", "spdxVersion": "SPDX-2.3"}', None),
        (b'{"spdxVersion": ' + b"[" * 100_000, None),
        (b"\xff{}", None),
    ],
)
def test_a_bill_of_materials_is_known_by_its_content(content: bytes, kind: str | None) -> None:
    assert media_type_of(content) == kind


def test_a_file_that_is_no_bill_of_materials_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "bom.spdx.json").write_text('{"name": "spdx"}')
    for name in ("bom.spdx.json", "missing"):
        with pytest.raises(SbomUnusable, match=name):
            read_sbom(tmp_path / name)


def test_the_signed_text_has_the_bytes_that_cosign_writes() -> None:
    """As its documentation prints them, with one line per signature and the members in this order."""
    digest = digest_of(b"a manifest")
    assert signature.payload("registry.example.org/team/httpd", digest).decode() == (
        '{"critical":{"identity":{"docker-reference":"registry.example.org/team/httpd"},'
        f'"image":{{"docker-manifest-digest":"{digest}"}},'
        '"type":"cosign container image signature"},"optional":null}'
    )
    assert signature.tag_of(Digest("sha256:" + "0a" * 32)) == "sha256-" + "0a" * 32 + ".sig"


def test_a_signature_of_something_else_is_none() -> None:
    seed, signer = pem_keys.seed_of(PRIVATE), pem_keys.public_of(PUBLIC)
    assert seed is not None and signer is not None
    assert pem_keys.written(signer).encode() == PUBLIC
    ours, other = digest_of(b"ours"), digest_of(b"another")
    content = signature.payload("registry.example.org/httpd", ours)
    told = signature.sign(seed, content)
    odd = content.replace(b"cosign container image signature", b"atomic container signature")
    assert signature.is_signature(signer, content, told, ours)
    assert not signature.is_signature(signer, content, told, other)
    assert not signature.is_signature("00" * 32, content, told, ours)
    assert not signature.is_signature(signer, odd, signature.sign(seed, odd), ours)
    for broken in ("", "?", told[:-8]):
        assert not signature.is_signature(signer, content, broken, ours)
    for unread in (b"{}", b"[" * 100_000, b'{"critical": 1}'):
        assert not signature.is_signature(signer, unread, told, ours)


def test_a_key_that_others_may_read_or_that_is_another_kind_signs_nothing(key: Path) -> None:
    key.chmod(0o644)
    assert code(key) == "signing-key-unusable"
    key.chmod(0o600)
    key.write_bytes(PUBLIC)
    assert code(key) == "signing-key-unusable"
    key.write_bytes(b"{}")
    assert code(key) == "signing-key-unusable"


def code(path: Path) -> str:
    ran = CliRunner().invoke(public, [str(path)])
    return str(getattr(ran.exception, "code", None))


class Killed(BaseException):
    """The publisher is gone, between two requests."""


@pytest.mark.registry
def test_killed_between_any_two_requests_the_next_publishing_has_attached_all_of_it_once(
    workshop: Workshop, published: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = published.apps["httpd"]
    reference = image_ref.parse(uri)
    registry, digest = workshop.registries.at(workshop.host), Digest(reference.digest or "")
    manifest = registry.manifest(reference.repository, digest).content
    listed = len(registry.referrers(reference.repository, digest))
    signatures = len(under(workshop, uri, signature.tag_of(digest)))
    ask_once, left = Exchange.ask, 0

    def asks_once(exchange: Exchange, ask: Ask) -> Answer:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return ask_once(exchange, ask)

    for at in range(1, 40):
        # Other content each time: what is there already would need fewer requests.
        wish = Attachments({"httpd": Sbom(SPDX_2 + b" " * at, SPDX)}, Secret(bytes([at]) * 32))
        left = at
        with monkeypatch.context() as patched:
            patched.setattr(Exchange, "ask", asks_once)
            try:
                attach(wish, "httpd", uri, manifest, workshop.registries)
            except Killed:
                pass
            else:
                break
        attach(wish, "httpd", uri, manifest, workshop.registries)
        assert len(registry.referrers(reference.repository, digest)) == listed + 2 * at
        assert len(under(workshop, uri, signature.tag_of(digest))) == signatures + at
    assert at > 8
