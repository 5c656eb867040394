"""What several pages look up, and how they send a reader on."""

from urllib.parse import quote

import msgspec
from litestar.response import Redirect

from mosaic.wire.account import AccountKeys
from mosaic.wire.api import Device
from mosaic.wire.device_keys import KeyProof


def names_of(devices: list[Device]) -> dict[str, str]:
    """Return the Devices' names by id."""
    return {device.device: device.name for device in devices}


def written(keys: AccountKeys | KeyProof | None) -> str:
    """Return an account's keys, all of them wrapped, or what a Device says of its own, as the browser reads them."""
    return msgspec.json.encode(keys).decode()


def to_app(name: str, *, then: str = "") -> Redirect:
    """Send the reader to an installation's page."""
    return to(f"/apps/{quote(name, safe='')}{then}")


def to(path: str) -> Redirect:
    """Send the reader to a page of ours after a change, so that a reload sends nothing twice."""
    return Redirect(path, status_code=303)
