"""Logins for registries, as `docker login` keeps them.

Docker's `config.json` has them in `auths` (base64 of `name:password`, which
hides nothing), or names a program that keeps them: one for all registries
(`credsStore`) or one for a registry (`credHelpers`). Such a program is told
the registry's name on its standard input and answers there too, so that no
secret is ever an argument (protocol: docker-credential-helpers). The file is
read each time: somebody may have logged in since.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from mosaic.adapters import process
from mosaic.adapters.oci.documents import UNREADABLE
from mosaic.adapters.oci.failures import CredentialsUnreadable
from mosaic.adapters.oci.hosts import known_as
from mosaic.core.errors import Unavailable

_HELPER_SECONDS = 30.0
_MOST_BYTES = 2**20
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The name that Docker keeps the login of docker.io under, for ever since its first registry.
_DOCKER_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 (what helpers answer instead of a name, no secret)
_NOT_THERE = b"credentials not found"


@dataclass(frozen=True, slots=True)
class Login:
    """A name and its password; or, where `identity_token` is given, what a registry handed out instead of both."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str | None = field(default=None, repr=False)


class Credentials(Protocol):
    """Whoever knows the logins."""

    def login(self, host: str) -> Login | None:
        """Return the login for a registry; None when there is none. Raises CredentialsUnreadable."""
        ...


class NoCredentials:
    """Nobody is logged in."""

    def login(self, host: str) -> Login | None:  # noqa: ARG002 (nobody is logged in anywhere)
        """Return None."""
        return None


class _Entry(msgspec.Struct, rename={"identity_token": "identitytoken"}):
    auth: str = ""
    username: str = ""
    password: str = ""
    identity_token: str = ""


class _Config(msgspec.Struct, rename="camel"):
    auths: dict[str, _Entry] = {}
    creds_store: str = ""
    cred_helpers: dict[str, str] = {}


class _Kept(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


class DockerCredentials:
    """The logins of Docker's configuration, wherever that keeps them."""

    def __init__(self, config: Path) -> None:
        self._path = config

    def login(self, host: str) -> Login | None:
        """Return the login for a registry; None when there is none. Raises CredentialsUnreadable."""
        config = self._read()
        if config is None:
            return None
        key = _DOCKER_KEY if known_as(host) == "docker.io" else host
        helper = config.cred_helpers.get(host) or config.cred_helpers.get(key) or config.creds_store
        if helper and (found := self._ask(helper, key)) is not None:
            return found
        return self._written(config, host)

    def _read(self) -> _Config | None:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MOST_BYTES)
            return msgspec.json.decode(content, type=_Config) if content.strip() else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialsUnreadable(str(self._path), error.strerror or "it cannot be read") from None
        except UNREADABLE:
            # What is wrong there may be a secret in the wrong place, and the parser repeats it.
            raise CredentialsUnreadable(str(self._path), "it is not what `docker login` writes") from None

    def _written(self, config: _Config, host: str) -> Login | None:
        entry = config.auths.get(host) or next(
            (entry for name, entry in config.auths.items() if _same_registry(name, host)), None
        )
        if entry is None:
            return None
        if entry.identity_token:
            return Login(identity_token=entry.identity_token)
        if entry.auth:
            try:
                username, colon, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                colon = ""
            if not colon:
                raise CredentialsUnreadable(str(self._path), f"the login for {host} is not what Docker writes")
            return Login(username, password.strip("\0"))
        return Login(entry.username, entry.password) if entry.username else None

    def _ask(self, helper: str, key: str) -> Login | None:
        source = f"docker-credential-{helper}"
        if _HELPER.fullmatch(helper) is None:
            raise CredentialsUnreadable(str(self._path), "it names a program that cannot exist")
        try:
            finished = process.attempt([source, "get"], deadline_seconds=_HELPER_SECONDS, stdin=key.encode())
        except process.ProgramMissing:
            raise CredentialsUnreadable(source, "this program is not installed") from None
        except Unavailable:
            raise CredentialsUnreadable(source, f"it did not answer within {_HELPER_SECONDS:g} s") from None
        # Nothing that it printed is repeated: some print what they keep.
        if finished.code != 0:
            if _NOT_THERE in finished.stdout + finished.stderr:
                return None
            raise CredentialsUnreadable(source, f"it ended with code {finished.code}")
        try:
            kept = msgspec.json.decode(finished.stdout, type=_Kept)
        except UNREADABLE:
            raise CredentialsUnreadable(source, "its answer is not that of a credential helper") from None
        if kept.username == _TOKEN_USER:
            return Login(identity_token=kept.secret)
        return Login(kept.username, kept.secret)


def docker_config(environment: Mapping[str, str], home: Path) -> Path:
    """Return where Docker keeps its configuration."""
    folder = environment.get("DOCKER_CONFIG")
    return (Path(folder) if folder else home / ".docker") / "config.json"


def _same_registry(name: str, host: str) -> bool:
    """Whether a login's name, which older versions wrote as a URL, is this registry's."""
    try:
        parts = urlsplit(name if "://" in name else f"//{name}")
    except ValueError:
        return False
    return known_as(parts.netloc) == known_as(host)
