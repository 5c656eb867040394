"""Links as a Hive and its Devices speak of them.

A Device derives a link's tokens from the account's root key
(`mosaic.crypto.link_tokens`) and tells their hashes in its reports; the secret
is never told. The first hash of a number counts, and that of the Device that
the installation is on alone.
"""

import msgspec


class AssignedLink(msgspec.Struct, frozen=True):
    """The link of an assigned installation. `token` is the number of the token to give it now.

    `gateway` is the URL where it registers; `certificate` (PEM) what is trusted there, "" for public authorities.
    `epoch` (`term.n`) is the one that it registers under: that under which its Device came to have the app.
    """

    id: str
    names: list[str]
    token: int
    gateway: str
    certificate: str = ""
    epoch: str = ""


class LinkTokenHash(msgspec.Struct, frozen=True):
    """The SHA-256 (hex) of a token's secret, and by which root key (its name) it was derived."""

    link: str
    number: int
    sha256: str
    root_id: str
