"""What a Device remembers of updates: the newest wish that it began, and the version that counts since.

A version counts from one write on. The Hive hears of it later, and its
assignment names the version before until then: `effective` says what it means.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from mosaic.wire.assignment import Assignment, PortWish
from mosaic.wire.storage import Failure


class UpdateNote(msgspec.Struct, frozen=True):
    """The newest wish begun here, `id` (empty: none yet), and the version that it is about.

    `bundle`, `checked`, `images` and `ports` are as in `Notes`, of that
    version. `closed`: the entrance is. `begun` counts the trials, `attempts`
    the starts in the newest of them. `outcome` is None until it is over.
    """

    id: str = ""
    bundle: str | None = None
    checked: str | None = None
    images: dict[str, str] = {}
    ports: list[PortWish] = []
    closed: bool = False
    begun: int = 0
    attempts: int = 0
    outcome: Literal["done", "failed"] | None = None
    failure: Failure | None = None


class Taken(msgspec.Struct, frozen=True):
    """The newest version that counts here by a wish, `id`: it is run instead of `instead_of`.

    `config_revision`, `epoch` and `going_back` (a wish's id) are what the
    assignment said when it came to count. `known`: the Hive has shown since that it knows.
    """

    id: str
    app_digest: str
    instead_of: str
    config_revision: int
    epoch: str | None
    going_back: str | None
    catalog: str
    approval: str
    images: dict[str, str]
    known: bool = False


def effective(item: Assignment, taken: Taken | None) -> Assignment:
    """Return what an assignment means here: one whose update counts already is for the new version."""
    if taken is None:
        return item
    is_new = not taken.known and not is_known(item, taken)
    if item.update is not None and item.update.id == taken.id:
        item = replace(item, update=None)
    if not is_new:
        return item
    return replace(
        item, app_digest=taken.app_digest, catalog=taken.catalog, approval=taken.approval, images=taken.images
    )


def is_known(item: Assignment, taken: Taken) -> bool:
    """Whether whoever assigned this knew that the version counts, or decided something about the app since.

    An assignment that differs in nothing but the wish, which is not there any
    more, may have crossed our word that it is done: data never goes back for it.
    """
    if item.app_digest != taken.instead_of:
        return True
    if item.update is not None and item.update.id == taken.id:
        return False
    goes_back = item.going_back is not None and item.going_back.id != taken.going_back
    return goes_back or item.config_revision > taken.config_revision


def coming(item: Assignment) -> Assignment:
    """Return the assignment as it would be for the version that is to be tried. There must be one."""
    update = item.update
    assert update is not None
    return replace(
        item,
        app_digest=update.app_digest,
        catalog=update.catalog,
        approval=update.approval,
        images=update.images,
        update=None,
    )
