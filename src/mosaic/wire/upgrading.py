"""Upgrades of Devices themselves, as people ask for them and see them."""

import msgspec

from mosaic.wire.report import UpgradeState


class SetUpgrades(msgspec.Struct, frozen=True):
    """Whether a Device takes newer versions of Mosaic by itself."""

    on: bool


class UpgradeOffer(msgspec.Struct, frozen=True):
    """A version of Mosaic in one of the owner's catalogs. `failed`: this Device went back from it before."""

    catalog: str
    label: str
    digest: str
    failed: bool = False


class DeviceUpgrades(msgspec.Struct, frozen=True):
    """What there is to say of a Device's own upgrades.

    `version` is what it runs, "" where it does not tell. `offer` is what it
    would be given next, None when there is nothing else than what it runs.
    `newest` is its newest upgrade. `wish` names the one that was ordered last.
    """

    on: bool
    version: str
    offer: UpgradeOffer | None = None
    newest: UpgradeState | None = None
    wish: str = ""
