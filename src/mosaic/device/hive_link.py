"""What a connection to the Hive gives the rest of the Device: its token, its root key, somebody to ask.

One session lasts as long as the process; its connections come and go.
"""

from pathlib import Path

import anyio
import msgspec

from mosaic.adapters import log
from mosaic.adapters.hive_client import DeviceClient
from mosaic.adapters.machine import machine_name
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import SessionId
from mosaic.crypto import device_keys, unwrap
from mosaic.crypto.account import root_id_of
from mosaic.crypto.secret import Secret
from mosaic.device import identity as identities
from mosaic.device.bell import Bell
from mosaic.device.enrol import with_root
from mosaic.device.identity import Identity
from mosaic.device.means import HiveAway, RootKeyMissing
from mosaic.device.outside import Hive, Storage, ask
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.channel import Assignments, Welcome
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.storage import Envelope, Upstream

_TRIES = 5


class HiveLink:
    """The Device's side of its Hive. `identity` gains the root key when the owner has given it, or another one."""

    def __init__(self, identity: Identity, session: SessionId, storage: Storage, path: Path) -> None:
        self.identity = identity
        self.connected = anyio.Event()
        self.session = session
        self._storage = storage
        self._path = path
        self._hive: DeviceClient | None = None
        self._changed = Bell()
        self._upstream: Upstream | None = None
        self._envelopes: dict[str, str] = {}
        self._enveloped: dict[str, str] = {}
        self._told: KeyProof | None = None

    def hive(self) -> Hive:
        """Return the connected Hive. Raises HiveAway."""
        if self._hive is None:
            raise HiveAway
        return self._hive

    def root(self) -> Secret:
        """Return the account's root key. Raises RootKeyMissing."""
        root = self.identity.root
        if root is None:
            raise RootKeyMissing
        return root

    def formers(self) -> list[Secret]:
        """Return the root keys that were renewed since, the newest first."""
        return self.identity.formers

    def open_sealed(self, sealed: str, subject: bytes) -> dict[str, str]:
        """Open the secret inputs of an app's action. Raises ActionSecretsUnopened."""
        private = Secret(bytes.fromhex(self.identity.wrapping_private))
        return unwrap.open_action_secrets(sealed, private, subject=subject)

    def sign_audit_head(self, head: str, nonce: str) -> str:
        """Sign the end of the audit log, for whoever asked with this nonce. Returns hex."""
        seed = Secret(bytes.fromhex(self.identity.signing_seed))
        return device_keys.sign_audit_head(head, nonce, seed, self.identity.device)

    def changed(self) -> None:
        """Something should be reported."""
        self._changed.ring()

    async def attach(self, welcome: Welcome) -> None:
        """Use the session's token from now on, and pass it on to the storage daemon."""
        if self._hive is None:
            self._hive = DeviceClient(self.identity.hive_url, ca_pem=self.identity.ca_pem, token=welcome.token)
        self._upstream = Upstream(
            url=self.identity.hive_url,
            token=welcome.token,
            device=self.identity.device,
            hive_machine=welcome.hive_machine,
            machine=machine_name(),
            ca_pem=self.identity.ca_pem,
        )
        if welcome.admitted and self.identity.root_key is None:
            await self._fetch_root(self._hive)
        if self.identity.root_key is None:
            # Its owner compares it before he wraps the root key to these keys.
            log.info("waits_for_its_owner", fingerprint=device_keys.fingerprint(self.identity.keys))
        if welcome.recovering:
            # It came back from an older copy, and may not know them.
            self._told = None
        else:
            # One that recovers says nothing yet: as far as apps go, it is away.
            self.connected.set()

    def detach(self) -> None:
        """The token is not good any more, or its connection is gone."""
        if self._hive is not None:
            self._hive.close()
        self._hive = None

    async def take_root(self, wanted: str) -> bool:
        """Fetch the account's present root key, where it is another than ours. False when that is to be tried again."""
        own, hive = self.identity.root, self._hive
        if not wanted or hive is None or (own is not None and root_id_of(own) == wanted):
            return True
        if any(root_id_of(each) == wanted for each in self.identity.formers):
            log.warning("hive_has_former_root_key", hint="the Hive is an older copy: run `mosaic keys renew` again")
            return True
        await self._fetch_root(hive)
        return self.identity.root is not None and root_id_of(self.identity.root) == wanted

    async def tell_storage(self) -> None:
        """Tell the storage daemon where data goes; again and again until it has answered."""
        attempt = 0
        while self._upstream is not None:
            try:
                await ask(self._storage.upstream, self._upstream)
            except MosaicError as error:
                attempt += 1
                log.warning("storage_not_told", code=error.code, reason=error.message)
                await anyio.sleep(min(5.0, float(attempt)))
            else:
                return

    async def tell_keys(self) -> None:
        """Tell the Hive what this Device says of its keys, for the owner's clients; again when the root key changed.

        One that does not take it is told with the next connection.
        """
        for attempt in range(1, _TRIES + 1):
            hive, proof = self._hive, self.identity.proof
            if hive is None or proof == self._told:
                return
            try:
                await ask(hive.tell_keys, proof)
            except Unavailable:
                await anyio.sleep(float(attempt))
            except MosaicError as error:
                log.info("keys_not_told", code=error.code, reason=error.message)
                return
            else:
                self._told = proof

    async def pass_envelopes(self, message: Assignments) -> None:
        """Tell the storage daemon which envelopes stores should have, where it was not told yet.

        One that it does not take, perhaps because it does not know the volume yet, comes with the volume's next hold
        or the next message.
        """
        told = {each.volume: each.store_envelope for item in message.items for each in item.volumes}
        self._envelopes |= {volume: envelope for volume, envelope in told.items() if envelope is not None}
        for volume in told.keys() & self._envelopes.keys():
            envelope = self._envelopes[volume]
            if self._enveloped.get(volume) == envelope:
                continue
            try:
                await ask(self._storage.envelope, Envelope(volume, envelope))
            except MosaicError as error:
                log.info("envelope_not_passed", volume=volume[:12], code=error.code, reason=error.message)
            else:
                self._enveloped[volume] = envelope

    def envelope_of(self, volume: VolumeAssignment) -> str | None:
        """Return what the volume's stores receive, as the Hive said it last: the assignment may be an older one."""
        return self._envelopes.get(volume.volume, volume.store_envelope)

    async def wait_for_change(self, seconds: float) -> bool:
        """Return as soon as something should be reported, at the latest after `seconds`."""
        return await self._changed.wait(seconds)

    async def forget_root(self) -> None:
        """Forget the account's root keys: this Device was removed, and whoever has the machine next needs none."""
        bare = msgspec.structs.replace(self.identity, root_key=None, former_roots=[])
        await ask(identities.store, self._path, bare)
        self.identity = bare
        log.info("root_key_forgotten")

    async def _fetch_root(self, hive: Hive) -> None:
        try:
            found = with_root(self.identity, await ask(hive.this_device))
            if found is not None and found != self.identity:
                # Stored first: what is wrapped under it from now on must open after a kill.
                await ask(identities.store, self._path, found)
        except MosaicError as error:
            log.warning("root_key_not_fetched", code=error.code, reason=error.message)
            return
        if found is not None and found != self.identity:
            self.identity = found
            log.info("root_key_received")
