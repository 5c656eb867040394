"""What of a package's folder may be handed to the engine, whatever lies there."""

from pathlib import Path

import pytest

from mosaic.core.app import open_app, seed_variables
from mosaic.core.compose_document import ComposeInvalid
from mosaic.core.ids import AppDigest, DeviceId, ImageId, InstallationId, ServiceName
from mosaic.core.rendering import Facts, Rendered, render
from mosaic.device.package import paths_in

INSTALLATION = InstallationId("k3x7q2m5n4ab")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package with two ways out, as one that was extracted before they were looked for may have them."""
    made = tmp_path / "app"
    (made / "a").mkdir(parents=True)
    (made / "a" / "root").symlink_to("..")
    (made / "a" / "host").symlink_to("root/..")
    (made / "secret").symlink_to(tmp_path / "secret")
    (made / "app.env").write_text("A=1")
    (made / "inside.env").symlink_to("app.env")
    (tmp_path / "secret").write_text("B=2")
    return made


def rendered(folder: Path, **parts: object) -> Rendered:
    sections: dict[str, object] = {key: parts.pop(key) for key in ("secrets", "configs") if key in parts}
    seeds = seed_variables(driver="mosaic", installation=INSTALLATION, domain="x.localhost", link_token="t0k3n")
    document: dict[str, object] = {"services": {"web": {"image": "web", **parts}}, **sections}
    compose = open_app(document, variables=seeds)
    facts = Facts(
        device=DeviceId("d" * 32),
        installation=INSTALLATION,
        app_digest=AppDigest("sha256:" + "a" * 64),
        config_revision=1,
        project="mosaic-attic-web",
        driver="mosaic",
        bundle=str(folder),
        package=paths_in(folder),
        images={ServiceName("web"): ImageId("sha256:w")},
    )
    return render(compose, facts)


def test_a_link_that_leads_out_is_no_path_of_the_package(folder: Path) -> None:
    assert paths_in(folder) == {"a", "a/root", "app.env", "inside.env"}


@pytest.mark.parametrize("path", ["a/host", "secret", "a/root/../a/host", "a/root/a/host"])
def test_no_path_of_the_host_is_mounted_through_a_link(folder: Path, path: str) -> None:
    for volume in (f"./{path}:/x", {"type": "bind", "source": path, "target": "/x"}):
        web = rendered(folder, volumes=[volume]).compose["services"]
        assert isinstance(web, dict)
        assert "bind" not in str(web)


@pytest.mark.parametrize(
    "parts",
    [
        {"env_file": "secret"},
        {"env_file": [{"path": "./secret"}]},
        {"label_file": "secret"},
        {"label_file": ["a/host/secret"]},
        {"secrets": {"key": {"file": "secret"}}},
        {"configs": {"ini": {"file": "a/host/secret"}}},
    ],
    ids=str,
)
def test_no_file_of_the_host_is_read_through_a_link(folder: Path, parts: dict[str, object]) -> None:
    with pytest.raises(ComposeInvalid, match="the package has no such file"):
        rendered(folder, **parts)


@pytest.mark.parametrize("key", ["env_file", "label_file"])
def test_a_file_that_compose_reads_is_the_package_s_and_not_one_of_the_device(folder: Path, key: str) -> None:
    services = rendered(folder, **{key: ["./inside.env"]}).compose["services"]
    assert isinstance(services, dict) and isinstance(services["web"], dict)
    assert services["web"][key] == [f"{folder}/inside.env"]
    with pytest.raises(ComposeInvalid, match=r"the package has no such file"):
        rendered(folder, **{key: "compose.json"})
