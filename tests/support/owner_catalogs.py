"""A publisher's workshop with a real registry, and an owner who believes its catalog on a running Hive."""

import copy
import hashlib
import shutil
from pathlib import Path

import httpx2
import msgspec

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.repository import Repository
from mosaic.crypto import approvals
from mosaic.wire.api import CatalogApp
from mosaic.wire.approval import CatalogTrust
from mosaic.wire.packages import CatalogServed
from mosaic.wire.versions import AddCatalog, Catalog
from support.app_repositories import Workshop, push_image
from support.fake_device import FakeDevice
from support.plain_http import TRUSTS_NOBODY
from support.running_hive import Owner, made_keys

CONF = "server {}\n"


def compose(image: str, title: str = "Notes") -> str:
    """Return a compose file with a title."""
    return f"x-mosaic: {{title: {title}, summary: Keeps notes.}}\nservices: {{web: {{image: '{image}'}}}}\n"


def workshop_of(folder: Path, host: str, *apps: str) -> Workshop:
    """Make a workshop that has published these apps."""
    made = Workshop(folder, host)
    push_image(made.registries, host, "library/nginx", "alpine", b"one layer")
    for app in apps:
        made.write(app, compose=compose(f"{host}/library/nginx:alpine", app.title()), conf=CONF)
    made.commit()
    made.publish()
    return made


def copy_of(workshop: Workshop, folder: Path) -> Workshop:
    """Return the same workshop in another folder: making one takes longer than most tests."""
    shutil.copytree(workshop.folder, folder)
    made = copy.copy(workshop)
    made.folder, made.apps, made.said = folder, folder / "apps", []
    made.registries = Registries(NoCredentials())
    made.repository = Repository(PublicFiles(folder / "public"), KeyFolder(folder / "online"))
    return made


def url_of(workshop: Workshop) -> str:
    """Return where its repository is."""
    return (workshop.folder / "public").as_uri()


def first_root(workshop: Workshop) -> bytes:
    """Return the root that trust begins with."""
    return (workshop.folder / "public" / "metadata" / "1.root.json").read_bytes()


def signed(owner: Owner, root: bytes, name: str, channel: str = "stable") -> CatalogTrust:
    """Have the owner sign a catalog."""
    return approvals.trust(
        made_keys().opened.owner_seed,
        account=owner.logged_in.account,
        name=name,
        channel=channel,
        root_sha256=hashlib.sha256(root).hexdigest(),
    )


def add(owner: Owner, workshop: Workshop, name: str = "community", *, url: str | None = None) -> Catalog:
    """Have the owner sign the workshop's catalog, and the Hive believe it."""
    root = first_root(workshop)
    wish = AddCatalog(signed(owner, root, name), url or url_of(workshop), root)
    with owner.client() as client:
        return client.send("POST", "/api/catalogs", wish, Catalog)


def refresh(owner: Owner, name: str = "community") -> Catalog:
    """Have the Hive ask the repository."""
    with owner.client() as client:
        return client.send("POST", f"/api/catalogs/{name}/refresh", None, Catalog)


def sources(owner: Owner) -> list[Catalog]:
    """Return all catalogs."""
    with owner.client() as client:
        return client.get("/api/catalogs", list[Catalog])


def ask(device: FakeDevice, path: str, **headers: str) -> httpx2.Response:
    """Ask the Hive something as a Device, and return its answer as it came."""
    told = {"Authorization": f"Bearer {device.welcomes[-1].token}", **headers}
    return httpx2.get(device._url + path, headers=told, trust_env=False, verify=TRUSTS_NOBODY, timeout=60)


def served(device: FakeDevice, name: str = "community") -> CatalogServed:
    """Return a catalog as a Device is handed it."""
    return msgspec.json.decode(ask(device, f"/api/device/catalogs/{name}").content, type=CatalogServed)


def metadata(workshop: Workshop) -> Path:
    """Return the folder of its signed metadata."""
    return workshop.folder / "public" / "metadata"


def change(workshop: Workshop, app: str = "wiki", title: str = "Another wiki") -> None:
    """Publish another version of an app."""
    workshop.write(app, compose=compose(f"{workshop.host}/library/nginx:alpine", title))
    workshop.commit()
    workshop.publish()


def listed(owner: Owner, source: str = "community") -> dict[str, CatalogApp]:
    """Return what the catalog of apps has of one source, by the names that they are installed by."""
    return {one.app: one for one in owner.catalog() if one.source == source}
