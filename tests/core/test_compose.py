"""Compose files of a wrong shape: one clear sentence and a hint each."""

import pytest

from mosaic.core.app import open_app
from mosaic.core.compose_document import ComposeInvalid, read_compose, to_json
from mosaic.core.folders import anonymous
from mosaic.core.ids import AppDigest, DeviceId, ImageId, InstallationId, ServiceName
from mosaic.core.link_service import LINK_DATA
from mosaic.core.ports import Assigned, PortKey
from mosaic.core.rendering import Facts, ImageNotPinned, Rendered, render


def facts(**services: str) -> Facts:
    return Facts(
        device=DeviceId("d"),
        installation=InstallationId("i"),
        app_digest=AppDigest("sha256:a"),
        config_revision=1,
        project="p",
        driver="mosaic",
        bundle="/bundle",
        package=frozenset(["a.env"]),
        images={ServiceName(name): ImageId(image) for name, image in services.items()},
        ports=[Assigned(PortKey("web", 80, "tcp"), 8080)],
        open=True,
    )


def web(**keys: object) -> dict[str, object]:
    return {"services": {"web": {"image": "web", **keys}}, "volumes": {"data": {}}}


def rendered(document: object, *grants: str) -> Rendered:
    return render(open_app(document, variables={}, grants=frozenset(grants)), facts(web="sha256:i"))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "is empty, not a mapping"),
        ("text", "is text"),
        ([], "is a list"),
        (3, "is a number"),
        (True, "is a flag"),
        ({}, "no services"),
        ({"services": {}}, "no services"),
        ({"services": ["web"]}, "services is a list"),
        ({"services": {"web": "nginx"}}, "web in services is text"),
        ({"services": {"web": {}}}, "web has no image"),
        ({"services": {"web": {"image": " "}}}, "web has no image"),
        ({"services": {"web": {"build": "."}}}, "built from source"),
        ({"services": {"web": {"image": "web", "profiles": ["x"]}}}, "behind a profile"),
        (web(scale=0), "has `scale: 0`"),
        (web(deploy={"replicas": "0"}), "has `scale: 0`"),
        (web(depends_on=["db"]), "names db"),
        (web(networks={"other": None}), "names other"),
        (web(secrets=[{"source": "key"}]), "names key"),
        (web(volumes="data:/data"), "is text, not a list"),
        (web(volumes=["a:b:c:d"]), "too many colons"),
        (web(volumes=["data:/data:rx"]), "unknown mode"),
        (web(volumes=["data:data"]), "not absolute"),
        (web(volumes=["sub/data:/data"]), "no volume's name"),
        (web(volumes=[{"type": "volume", "source": "data"}]), "not text"),
        (web(volumes=["other:/data"]), "declared nowhere"),
        (web(volumes=["data:/run/mosaic/guard"]), "guard"),
        (web(volumes=["data:/"]), "guard"),
        (web(env_file="b.env"), "no such file"),
        (web(labels={"a": 1}, container_name=["x"]), "not text"),
        ({**web(), "configs": {"c": {"file": "missing"}}}, "no such file"),
        ({"services": {"web": {"image": "web", "labels": {True: 1}}}}, "which is not text"),
        ({"services": {"web": {"image": "web", "labels": {"a": {1}}}}}, "type set"),
    ],
)
def test_a_wrong_shape_is_one_sentence_and_a_hint(document: object, words: str) -> None:
    with pytest.raises(ComposeInvalid, match=words) as refused:
        rendered(document)
    assert refused.value.hint


def test_an_alias_bomb_is_refused() -> None:
    bomb: list[object] = ["x"]
    for _ in range(30):
        bomb = [bomb, bomb]
    with pytest.raises(ComposeInvalid, match="too large"):
        to_json(bomb)
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ComposeInvalid, match="too large"):
        to_json(endless)


def test_a_number_is_a_key_as_text() -> None:
    assert to_json({80: (1,)}) == {"80": [1]}


def test_a_service_without_a_known_image_is_refused() -> None:
    with pytest.raises(ImageNotPinned, match="image web of service web"):
        render(open_app(web(), variables={}), facts())


def service_of(result: Rendered) -> dict[str, object]:
    services = result.compose["services"]
    assert isinstance(services, dict)
    service = services["web"]
    assert isinstance(service, dict)
    return dict(service)


def test_an_opened_port_is_bound_everywhere() -> None:
    assert service_of(rendered(web(ports=["80"])))["ports"] == [{"target": 80, "published": "8080", "protocol": "tcp"}]


def test_what_the_owner_granted_is_rendered() -> None:
    document = {**web(volumes=["/mnt/media:/media"], brand_new=1), "networks": {"n": {"external": True, "name": "x"}}}
    result = rendered(document, "path:/mnt/media", "key:brand_new", "network:n")
    service = service_of(result)
    assert service["brand_new"] == 1
    assert {"type": "bind", "source": "/mnt/media", "target": "/media", "bind": {"create_host_path": False}} in list(
        service["volumes"] if isinstance(service["volumes"], list) else []
    )
    assert result.compose["networks"] == {"n": {"external": True, "name": "x"}}


def test_volumes_that_only_a_link_mounts_are_the_links() -> None:
    document = {
        "services": {
            "link": {"image": "mosaic/link", "volumes": ["keys:/keys", "shared:/shared"]},
            "web": {"image": "web", "volumes": ["shared:/shared", {"source": "old", "target": "/old"}]},
        },
        "volumes": {"keys": None, "shared": None, "old": {"external": {"name": "mosaic_i_app"}}},
    }
    result = render(open_app(document, variables={}), facts(web="sha256:w", link="sha256:l"))
    assert {folder.folder: folder.kind for folder in result.folders} == {
        "app": "data",
        "keys": "link",
        "shared": "data",
        # Where its certificates lie, which the file forgot.
        anonymous(ServiceName("link"), LINK_DATA): "link",
    }


def test_a_kind_of_mount_that_nobody_knows_is_not_rendered() -> None:
    compose = read_compose({"services": {"web": {"image": "web", "volumes": [{"type": "npipe", "target": "/x"}]}}})
    with pytest.raises(ComposeInvalid, match="npipe"):
        render(compose, facts(web="sha256:w"))


def test_nocopy_is_kept() -> None:
    volumes = service_of(rendered(web(volumes=["data:/data:nocopy", {"type": "volume", "target": "/more"}])))["volumes"]
    assert isinstance(volumes, list)
    assert volumes[0] == {"type": "volume", "source": "data", "target": "/data", "volume": {"nocopy": True}}
    assert len(volumes) == 3


def test_a_secret_may_be_written_in_the_file_itself() -> None:
    document = {
        **web(configs=["c"], env_file=[{"path": "a.env", "required": True}]),
        "configs": {"c": {"content": "x"}},
    }
    result = rendered(document)
    assert result.compose["configs"] == {"c": {"content": "x"}}
    assert service_of(result)["env_file"] == [{"path": "/bundle/a.env", "required": True}]
