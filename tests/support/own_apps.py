"""An app of an owner's own, packed as `mosaic app import` packs it, and sent to a Hive."""

from dataclasses import dataclass
from pathlib import Path

import httpx2

from mosaic.crypto import approvals
from mosaic.packager.building import Wish, build_offline
from mosaic.packager.packing import Packed
from mosaic.wire.api import CatalogApp
from mosaic.wire.versions import OwnApp
from support.plain_http import TRUSTS_NOBODY
from support.running_hive import Owner, made_keys, write_app

NOWHERE = "unix:///nowhere"
IMAGE = "notes@sha256:" + "1" * 64
COMPOSE = f"x-mosaic: {{title: Diary}}\nservices: {{web: {{image: '{IMAGE}', ports: ['80']}}}}\n"


@dataclass(frozen=True)
class Sent:
    """How a Hive answered: a status, and a refusal's code."""

    status: int
    code: str = ""


def packed(folder: Path, name: str = "diary", compose: str = COMPOSE) -> Packed:
    """Pack an app without any registry."""
    folder.mkdir(parents=True, exist_ok=True)
    into = folder / "packed"
    into.mkdir(exist_ok=True)
    return build_offline(Wish(write_app(folder, name, compose), NOWHERE), into=into)


def parts_of(package: Packed) -> dict[str, bytes]:
    """Return every blob that the package's manifest names."""
    return {digest: blob.read_bytes() if isinstance(blob, Path) else blob for digest, blob in package.blobs.items()}


def own_app(owner: Owner, package: Packed, *, app: str | None = None) -> OwnApp:
    """Sign a package with the owner key."""
    name = app or package.name
    seed, account = made_keys().opened.owner_seed, owner.logged_in.account
    return OwnApp(package.manifest, approvals.approve(seed, account=account, app=name, digest=package.digest))


def put_part(owner: Owner, app: str, digest: str, content: bytes) -> Sent:
    """Send one part of an app."""
    headers = {"Authorization": f"Bearer {owner.logged_in.token}"}
    url = f"{owner.hive.url}/api/own-apps/{app}/blobs/{digest}"
    return _sent(httpx2.put(url, content=content, headers=headers, trust_env=False, verify=TRUSTS_NOBODY))


def import_app(owner: Owner, package: Packed, *, app: str | None = None) -> CatalogApp:
    """Send all of it."""
    name = app or package.name
    for digest, content in parts_of(package).items():
        assert put_part(owner, name, digest, content) == Sent(204)
    with owner.client() as client:
        return client.send("PUT", f"/api/own-apps/{name}", own_app(owner, package, app=app), CatalogApp)


def _sent(answer: httpx2.Response) -> Sent:
    return Sent(answer.status_code, "" if answer.is_success else answer.json()["code"])
