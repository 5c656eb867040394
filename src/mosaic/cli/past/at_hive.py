"""A volume's past at the Hive that this machine is logged in to. Its Devices may all be dead."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property

from mosaic.adapters.api_client import HiveClient
from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.cli import asking, credentials
from mosaic.cli.connection import client_of
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.leased import leased
from mosaic.cli.past.named import named
from mosaic.cli.past.past import PastSnapshot
from mosaic.cli.unlocking import NoPassphrase, unlock
from mosaic.core.ids import DeviceId, HeadHash, VolumeId
from mosaic.crypto import unwrap
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage.engine.heads import HeadForged, open_head
from mosaic.storage.engine.store import Store
from mosaic.wire import api
from mosaic.wire.blobs import HeadEntry, HeadList, Pin

_PAGE = 500


@contextmanager
def at_hive(asked: Asked) -> Iterator["HivePast"]:
    """Find the volume at the Hive. Raises NotLoggedIn, VolumeUnknown."""
    known = credentials.load()
    with client_of(known) as hive:
        found = named(hive.get("/api/volumes", list[api.Volume]), asked.name)
        connection = HiveConnection(known.url, known.token, ca_pem=known.ca_pem)
        try:
            yield HivePast(hive, connection, found, asked)
        finally:
            connection.close()


class HivePast:
    """A `Past`. Used in `at_hive`."""

    def __init__(self, hive: HiveClient, connection: HiveConnection, found: api.Volume, asked: Asked) -> None:
        self._hive = hive
        self._asked = asked
        self.volume = VolumeId(found.volume)
        self.name = found.name
        self.where = connection.url
        self.store: Store = connection.store(self.volume)

    def snapshots(self) -> Iterator[PastSnapshot]:
        """Yield the snapshots, the newest first. Raises HeadForged when the Hive shows what the volume did not sign."""
        before: int | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({} if before is None else {"before": str(before)})
            page = self._hive.get(f"/api/volumes/{self.volume}/heads", HeadList, query=query)
            for one in page.heads:
                yield self._checked(one)
            if page.next is None or (before is not None and page.next >= before):
                return
            before = page.next

    def keys(self) -> VolumeKeys:
        """Ask for the passphrase, or for the recovery code if its file is given, and open the seed with it."""
        root = self._root()
        wrapped = self._hive.get(f"/api/volumes/{self.volume}/envelope", api.VolumeEnvelope).wrapped_seed
        return volume_keys(unwrap.open_volume_seed(wrapped, root, volume=self.volume).reveal())

    def reading(self, head: HeadHash) -> AbstractContextManager[None]:
        """Hold a read lease. Raises NotFound when retention has let the snapshot go meanwhile."""
        return leased(self._hive, self.volume, head)

    def pin(self, head: HeadHash, name: str | None) -> None:
        """Have retention never let a snapshot go, or take that back. Raises NotFound when it was let go meanwhile."""
        self._hive.send("PUT", f"/api/volumes/{self.volume}/heads/{head}/pin", Pin(name), Pin)

    def device_name(self, device: DeviceId) -> str:
        """Return what a Device is called; the beginning of its id when it was removed."""
        return self._names.get(device, device[:12])

    def tell(self, drill: api.Drill) -> bool:
        """Tell the Hive what a drill found: numbers, no names."""
        self._hive.send("POST", f"/api/volumes/{self.volume}/drills", drill, api.Drilled)
        return True

    @cached_property
    def _names(self) -> dict[str, str]:
        return {one.device: one.name for one in self._hive.get("/api/devices", list[api.Device])}

    def _root(self) -> Secret:
        if self._asked.recovery_file is None:
            opened, _ = unlock(self._hive, self._asked.passphrase_file)
            return opened.root
        account = self._hive.get("/api/account", api.Account)
        if account.keys is None:
            raise NoPassphrase
        code = asking.secret("recovery code", file=self._asked.recovery_file, option="--recovery-file")
        return unwrap.recover_root(account.keys, code)

    def _checked(self, listed: HeadEntry) -> PastSnapshot:
        try:
            signed = bytes.fromhex(listed.signed)
        except ValueError:
            raise HeadForged(self.volume) from None
        head = open_head(signed, self.volume)
        if head_hash(signed) != listed.head:
            raise HeadForged(self.volume)
        return PastSnapshot(HeadHash(listed.head), head, listed.pin)
