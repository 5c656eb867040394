"""What this machine's command line remembers: its Hive, its token, and the Hive's pinned key.

One file, `<config folder>/mosaic/cli.json`, 0600, replaced whole.
"""

import os
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused


class NotLoggedIn(Refused):
    """No Hive is known here."""

    code = "not-logged-in"

    def __init__(self) -> None:
        super().__init__(
            "this machine's command line is not logged in to a Hive",
            hint="run `mosaic login URL`, or `mosaic up --demo` to start a Hive here",
        )


class CredentialsDamaged(Refused):
    """The file is not one that this program wrote."""

    code = "credentials-damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} cannot be read", hint="`mosaic login URL` writes it anew")


class Credentials(msgspec.Struct, frozen=True):
    """`hive_key` is the Hive's Ed25519 public key (hex), pinned at login; `ca_pem` is what to trust for https."""

    url: str
    token: str
    account: str
    name: str
    hive_key: str
    ca_pem: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.url!r}, {self.name!r})"


def path() -> Path:
    """Return where the file is, by the XDG convention."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "mosaic" / "cli.json"


def load() -> Credentials:
    """Read the credentials. Raises NotLoggedIn, CredentialsDamaged."""
    try:
        return msgspec.json.decode(path().read_bytes(), type=Credentials)
    except FileNotFoundError:
        raise NotLoggedIn from None
    except msgspec.MsgspecError:
        raise CredentialsDamaged(path()) from None


def save(credentials: Credentials) -> None:
    """Keep the credentials in place of older ones."""
    path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path(), msgspec.json.encode(credentials))


def forget() -> None:
    """Remove the file. Doing it twice is fine."""
    path().unlink(missing_ok=True)
