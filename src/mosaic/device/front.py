"""The LAN front: one local Caddy that leads `http://<name>.localhost:<port>` to each app's web port.

Caddy is a part of its own, run beside the Device by the same supervisor, by
systemd or by the engine, and outlives the Device. Here it is only told its
routes, by its admin socket: a Device that starts takes the front as it is,
and says what is so now. Where that is what Caddy has already, Caddy does
nothing, and nobody who is connected notices.

HTTPS comes beside it where the owner wants it. What stands in its way is said, and keeps no plain name from answering.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import replace

import anyio
import msgspec

from mosaic.adapters import caddy, log
from mosaic.adapters.caddy import Caddy, CaddyRefused
from mosaic.adapters.caddy_https import SERVER, Https, with_https
from mosaic.adapters.free_port import is_free, turn
from mosaic.adapters.private_file import FileNotWritten, write_private
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.device.bell import Bell
from mosaic.device.config import DeviceConfig
from mosaic.device.front_authority import authority
from mosaic.device.front_folder import FrontFolder
from mosaic.device.outside import ask
from mosaic.device.records import Records

FIRST_PORT = 8480
LAST_PORT = 8999
FIRST_SECURE_PORT = 9443
LAST_SECURE_PORT = 9479
"""None of those that a gateway on the same machine has for its links: this one listens at all addresses."""
LOOK_SECONDS = 20.0
RETRY_SECONDS = 1.0
_TURN = "mosaic-front-port"

Routes = Callable[[], Mapping[str, int]]
"""Each app's name, and the loopback port that its web page is on."""

Closed = Callable[[], Set[str]]
"""The names whose entrance is closed: their apps are between two versions."""

Secured = Callable[[], Mapping[str, str] | None]
"""None: no HTTPS. Else each app that is open to the network, and its name there."""

_EVERYWHERE = "0.0.0.0"  # noqa: S104 (asked about: it may be opened later)


class NoFrontPort(Refused):
    """Every port that the front may take is taken."""

    code = "no-front-port"

    def __init__(self, first: int, last: int) -> None:
        super().__init__(
            f"no port from {first} to {last} is free for the LAN front",
            hint="stop what listens there: `ss -ltnp` lists it",
        )


class FrontPortTaken(Conflict):
    """The port that the front had belongs to another program now."""

    code = "front-port-taken"

    def __init__(self, before: int, now: int) -> None:
        super().__init__(
            f"another program has port {before} of the LAN front; apps are found at port {now} from now on",
            hint=f"`ss -ltnp 'sport = :{before}'` names the program; `mosaic apps` shows the new addresses",
        )


class Front:
    """The front of one Device. `port` is None until it was told where to listen.

    `secure_port` and `root_pem` are those of HTTPS, None where there is none; `secure_problem` is why.
    """

    def __init__(
        self,
        config: DeviceConfig,
        records: Records,
        routes: Routes,
        closed: Closed = frozenset[str],
        *,
        secured: Secured = lambda: None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.port: int | None = None
        self.secure_port: int | None = None
        self.root_pem: str | None = None
        self.secure_problem = ""
        self._place = FrontFolder(config.front) if config.front is not None else None
        self._name = config.name
        self._wished = config.front_port
        self._records = records
        self._routes = routes
        self._closed = closed
        self._secured = secured
        self._wall_ns = wall_ns
        self._bell = Bell()
        self._loaded: caddy.Json | None = None
        self._kept: caddy.Json | None = None
        self._problem = ""
        self._turn = anyio.Lock()
        self._is_over = False

    def changed(self) -> None:
        """Something that runs here may have changed."""
        self._bell.ring()

    async def run(self) -> None:
        """Keep the front told, until cancelled. It goes on then as it is."""
        if self._place is None:
            return
        while True:
            try:
                await self.refresh()
                self._problem = ""
            except MosaicError as error:
                self._loaded = None
                self._say(error.message, code=error.code, hint=error.hint)
            except OSError as error:
                # Of a full disk, perhaps: names answer, and their routes are kept once there is room.
                self._say(f"its routes cannot be kept: {error.strerror or error}", code="machine", hint="")
            await self._bell.wait(RETRY_SECONDS if self._problem else LOOK_SECONDS)

    async def end(self) -> None:
        """End the front for good: the Hive does not want this Device any more. Names answer no longer."""
        if self._place is None:
            return
        # Nothing is kept after this: the front would begin again with it.
        async with self._turn:
            self._is_over = True
            with contextlib.suppress(MosaicError, OSError):
                await ask(self._place.end)
                await ask(Caddy(self._place.admin).stop)

    async def refresh(self) -> None:
        """Have the front do what is so now. Raises CaddySilent, CaddyRefused, NoFrontPort, OSError."""
        async with self._turn:
            if self._place is not None and not self._is_over:
                await self._tell(self._place)

    async def _tell(self, place: FrontFolder) -> None:
        door = Caddy(place.admin)
        port = await ask(door.port)
        if port is None:
            port = await ask(self._open, place, self._routes(), self._closed())
        routes, closed = self._routes(), self._closed()
        plain = caddy.front(place.admin, port, routes, closed)
        wanted = await ask(self._loaded_with_https, place, plain, routes, closed, self._secured())
        if wanted is None:
            wanted = plain
            if wanted != self._loaded:
                await ask(door.load, wanted)
        if port != self.port:
            log.info("front_on", port=port)
        self.port, self._loaded = port, wanted
        noted = self._records.device
        chosen = msgspec.structs.replace(noted, front_port=port, secure_port=self.secure_port or noted.secure_port)
        if chosen != noted:
            self._records.device = chosen
        if wanted != self._kept:
            # After it was taken, for the front starts with this: killed in between, the next Device tells it again.
            await ask(write_private, place.kept, caddy.write(wanted))
            self._kept = wanted

    def _loaded_with_https(
        self,
        place: FrontFolder,
        plain: caddy.Json,
        routes: Mapping[str, int],
        closed: Set[str],
        announced: Mapping[str, str] | None,
    ) -> caddy.Json | None:
        """Have the front do this with HTTPS beside it, and return what it was told; None for no HTTPS."""
        if announced is None:
            self.secure_port, self.root_pem, self.secure_problem = None, None, ""
            return None
        try:
            files, root_pem = authority(place, self._name, self._wall_ns())
            https = Https(self._records.device.secure_port or 0, files, root_pem, announced)
            return self._load_secure(Caddy(place.admin), lambda one: with_https(plain, one, routes, closed), https)
        except (NoFrontPort, CaddyRefused, FileNotWritten) as error:
            self._no_https(error.message, code=error.code, hint=error.hint)
        except OSError as error:
            self._no_https(f"its authority cannot be kept: {error.strerror or error}", code="machine", hint="")
        return None

    def _load_secure(self, door: Caddy, configuration: Callable[[Https], caddy.Json], kept: Https) -> caddy.Json:
        """Load it at the port where HTTPS is, or was, or at a free one. Raises NoFrontPort, CaddyRefused."""
        port = door.port(SERVER)
        with contextlib.ExitStack() as choosing:
            if port is None:
                choosing.enter_context(turn(_TURN))
                is_kept = kept.port and is_free("tcp", kept.port, host=_EVERYWHERE)
                port = kept.port if is_kept else _free_secure_port()
            wanted = configuration(replace(kept, port=port))
            if wanted != self._loaded:
                door.load(wanted)
        if port != self.secure_port:
            log.info("front_https_on", port=port)
        self.secure_port, self.root_pem, self.secure_problem = port, kept.root_pem, ""
        return wanted

    def _no_https(self, problem: str, *, code: str, hint: str) -> None:
        if problem != self.secure_problem:
            log.warning("front_without_https", code=code, reason=problem, hint=hint)
        self.secure_port, self.secure_problem = None, problem

    def _say(self, problem: str, *, code: str, hint: str) -> None:
        if problem != self._problem:
            log.warning("front_not_refreshed", code=code, reason=problem, hint=hint)
        self._problem = problem

    def _open(self, place: FrontFolder, routes: Mapping[str, int], closed: Set[str]) -> int:
        """Choose a port, have the front listen on it, and return it.

        Caddy shares its port with any other Caddy of the same user (SO_REUSEPORT), and each would be sent half of
        the visitors. So Devices of one machine choose one after the other, and only what nobody listens on.
        """
        before = self._records.device.front_port
        with turn(_TURN):
            port = before if before is not None and is_free("tcp", before) else self._free_port()
            Caddy(place.admin).load(caddy.front(place.admin, port, routes, closed))
        if before not in (None, port):
            moved = FrontPortTaken(before, port)
            log.warning("front_moved", code=moved.code, reason=moved.message, hint=moved.hint)
        return port

    def _free_port(self) -> int:
        candidates = range(FIRST_PORT, LAST_PORT + 1)
        for port in candidates if self._wished is None else [self._wished, *candidates]:
            if is_free("tcp", port):
                return port
        raise NoFrontPort(FIRST_PORT, LAST_PORT)


def _free_secure_port() -> int:
    for port in range(FIRST_SECURE_PORT, LAST_SECURE_PORT + 1):
        if is_free("tcp", port, host=_EVERYWHERE):
            return port
    raise NoFrontPort(FIRST_SECURE_PORT, LAST_SECURE_PORT)
