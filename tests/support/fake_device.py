"""A Device without an engine or a disk: it speaks the real channel and the real blob endpoint.

An obedient one carries out what it is assigned in memory: makes keys, commits
signed heads, reports. A test makes it refuse, fall silent, start again, or
clone itself, and asks what it was told.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.adapters.hive_client import DeviceClient
from mosaic.core import epoch as epochs
from mosaic.core.errors import MosaicError
from mosaic.core.ids import DeviceId, HeadHash, LinkId, VolumeId
from mosaic.crypto import device_keys, envelope, link_tokens, signing, unwrap, x25519
from mosaic.crypto.account import root_id_of
from mosaic.crypto.device_keys import DeviceKeys
from mosaic.crypto.hashing import device_id, head_hash
from mosaic.crypto.secret import Secret
from mosaic.crypto.tokens import hash_token
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire import channel
from mosaic.wire.assignment import Assignment
from mosaic.wire.channel import (
    Answered,
    Assignments,
    Challenge,
    FromDevice,
    FromHive,
    Goodbye,
    Hello,
    Ordered,
    Proof,
    ReportAgain,
    Reported,
    Welcome,
)  # fmt: skip
from mosaic.wire.command import Command, CommandResult, kind_of
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.device_links import LinkTokenHash
from mosaic.wire.enrol import Enrol, Enrolled, JoinToken, NewVolume
from mosaic.wire.head import CONTEXT, Head, body
from mosaic.wire.lan import LanState
from mosaic.wire.recollection import Recollection, RememberedInstallation, RememberedVolume
from mosaic.wire.report import (
    InstallationPhase,
    InstallationReport,
    MachineState,
    PortBinding,
    Report,
    ServiceState,
    UpgradeState,
    VolumeReport,
)  # fmt: skip
from mosaic.wire.storage import ConflictSnapshot, Failure, Replica, ReplicaState, WentBack
from mosaic.wire.updating import Stage, UpdateState
from support.running_hive import made_keys

_SECONDS = 60.0
_AGAIN_SECONDS = 0.5
_NOT_NOW = "not-now"
_decoder: msgspec.json.Decoder[FromHive] = msgspec.json.Decoder(FromHive)


@dataclass
class LocalVolume:
    """What this Device has of one volume. `acknowledged` is how many heads were accepted from here."""

    seed: bytes
    head: HeadHash | None = None
    seq: int = 0
    epoch: str | None = None
    acknowledged: int = 0
    chain: list[str] = field(default_factory=list)


@dataclass
class Local:
    """What this Device has of one installation."""

    phase: InstallationPhase = "fetching"
    epoch: str | None = None
    goal: str = ""
    volumes: dict[str, LocalVolume] = field(default_factory=dict)
    problem: Failure | None = None
    went_back: WentBack | None = None
    update: UpdateState | None = None


class FakeDevice:
    """One machine. `refuses` maps a goal to why it is not reached here; `cannot_restore` says why no restore ends."""

    def __init__(self, name: str = "attic", *, root: Secret | None = None, same_machine: bool = False) -> None:
        self.name = name
        self.seed = secrets.token_bytes(32)
        self.wrapping = x25519.generate()
        self.root = root or made_keys().opened.root
        self.same_machine = same_machine
        self.enrolled: Enrolled | None = None
        self.claims: DeviceId | None = None
        self.obedient = True
        self.refuses: dict[str, str] = {}
        self.cannot_restore = ""
        self.cannot_go_back = ""
        self.cannot_update = ""
        self.update_stage: Stage = "done"
        self.tells_updates = True
        self.runs: str | None = None
        self.writes_after_updates = True
        self.digests: list[str] = []
        self.app_digest: bytes | None = None
        self.conflicts: list[ConflictSnapshot] = []
        self.link_tokens: list[LinkTokenHash] = []
        self.has_link_service = True
        self.answers: dict[str, str] = {}
        self.is_late = False
        """What it says to commands of these tags, which it knows beyond those that every Device knows."""
        self.hardware = ""
        self.group = ""
        self.upgrade: UpgradeState | None = None
        self.lan = LanState()
        self.version = "0.1.0"
        self.local: dict[str, Local] = {}
        self.highest: dict[str, str] = {}
        self.welcomes: list[Welcome] = []
        self.told: list[Assignments] = []
        self.commands: list[Command] = []
        self.goodbye: Goodbye | None = None
        self.asked_again = 0
        self.digest = "its-report"
        self.session = secrets.token_hex(16)
        self._url = ""
        self._open = contextlib.ExitStack()
        self._socket: ClientConnection | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._blobs: HiveConnection | None = None

    @property
    def key(self) -> str:
        """The Device's public key."""
        return signing.public_key(self.seed)

    @property
    def id(self) -> DeviceId:
        return self.claims or device_id(bytes.fromhex(self.key))

    def join(self, token: JoinToken, *, auth_key: str | None = "") -> Enrolled:
        """Enrol with a join token; by default as one that has derived the keys from the passphrase itself.

        `auth_key` is what it says to prove that, "" the right one, None nothing.
        """
        self._url = token.url
        wish = Enrol(
            secret=token.secret,
            name=self.name,
            signing_key=self.key,
            wrapping_key=self.wrapping.public,
            architecture="amd64",
            version="0.1.0",
            auth_key=made_keys().new.auth_key if auth_key == "" else auth_key,
            proof=self.proof(token, has_root=auth_key is not None),
        )
        with DeviceClient(self._url, ca_pem=None) as client:
            self.enrolled = client.enrol(wish)
        return self.enrolled

    @property
    def keys(self) -> DeviceKeys:
        owner_key = made_keys().opened.owner_key
        return DeviceKeys(device_id(bytes.fromhex(self.key)), self.key, self.wrapping.public, owner_key)

    def proof(self, token: JoinToken, *, has_root: bool) -> KeyProof:
        """Return what it says of its keys."""
        by_token = device_keys.by_token(self.keys, Secret(token.binding.encode())) if token.binding else ""
        return device_keys.prove(
            self.keys,
            Secret(self.seed),
            token=hash_token(token.secret),
            by_token=by_token,
            root=self.root if has_root else None,
        )

    def connect(self, url: str | None = None) -> Welcome:
        """Open the channel and begin to obey. Raises TurnedAway with the goodbye."""
        self._url = url or self._url
        self.goodbye = None
        self._open = contextlib.ExitStack()
        address = self._url.replace("http", "ws", 1) + channel.PATH
        socket = self._open.enter_context(connect(address, proxy=None, open_timeout=_SECONDS))
        welcome = self._shake_hands(socket)
        with self._lock:
            self._socket = socket
            self._blobs = HiveConnection(self._url, welcome.token, deadline_seconds=30)
        self._thread = threading.Thread(target=self._listen, args=(socket,), daemon=True)
        self._thread.start()
        if welcome.recovering and self.obedient:
            self.recollect()
        self.report()
        return welcome

    def disconnect(self) -> None:
        """Fall silent, as a machine does that lost its network."""
        with self._lock:
            socket, self._socket = self._socket, None
        if socket is not None:
            self._open.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_SECONDS)
        if self._blobs is not None:
            self._blobs.close()

    def restart(self, url: str | None = None) -> Welcome:
        """Start the Device's process again: the same machine in a new session."""
        self.disconnect()
        self.session = secrets.token_hex(16)
        return self.connect(url)

    def clone(self) -> "FakeDevice":
        """A copy of this machine's disk, started elsewhere."""
        copy = FakeDevice(self.name, root=self.root)
        copy.seed, copy.wrapping, copy.enrolled, copy._url = self.seed, self.wrapping, self.enrolled, self._url
        copy.highest = dict(self.highest)
        for name, local in self.local.items():
            volumes = {kind: LocalVolume(**vars(volume)) for kind, volume in local.volumes.items()}
            copy.local[name] = Local(local.phase, local.epoch, local.goal, volumes)
        return copy

    def client(self) -> DeviceClient:
        """A client with this session's token."""
        return DeviceClient(self._url, ca_pem=None, token=self.welcomes[-1].token)

    def blobs(self) -> HiveConnection:
        """The blob endpoint, with this session's token."""
        assert self._blobs is not None
        return self._blobs

    @contextlib.contextmanager
    def asking_once(self) -> Iterator[HiveConnection]:
        """The same for what a Hive has no time for: it is tried once, and not for as long as a Device tries."""
        connection = HiveConnection(self._url, self.welcomes[-1].token, deadline_seconds=0)
        try:
            yield connection
        finally:
            connection.close()

    def assigned(self, installation: str) -> Assignment | None:
        """Return what this Device was told last about the installation."""
        items = self.told[-1].items if self.told else []
        return next((item for item in items if installation in (item.installation, item.name)), None)

    def writes_as(self, app_digest: str) -> None:
        """What it writes from now on is that version's."""
        self.app_digest = bytes.fromhex(app_digest.removeprefix("sha256:"))

    def commit(
        self, installation: str, kind: str = "data", *, epoch: str | None = None, wish: str | None = None
    ) -> HeadHash:
        """Write one object and commit a head that follows the newest one. Raises AssertionError when it is refused."""
        with self._lock:
            local = self.local[installation]
            volume = local.volumes[kind]
            signed = self.signed_head(volume, epoch or local.epoch or "1.1")
            name = VolumeId(volume_id(volume.seed))
            self.blobs().store(name).put(secrets.token_hex(16), os.urandom(64))
            answer = self.blobs().heads(name).commit(signed, wish=wish)
            assert answer == "accepted", answer
            volume.head, volume.seq, volume.epoch = head_hash(signed), volume.seq + 1, epoch or local.epoch
            volume.acknowledged += 1
            volume.chain.append(signed.hex())
            return volume.head

    def signed_head(self, volume: LocalVolume, epoch: str) -> bytes:
        """Return a head that follows the volume's own."""
        head = Head(
            volume=volume_id(volume.seed),
            epoch=epochs.parse(epoch),
            seq=volume.seq + 1,
            previous=volume.head,
            instant_ns=1_800_000_000 * 10**9,
            device=self.id,
            app_digest=self.app_digest,
            config_revision=1,
            root=secrets.token_bytes(32),
            root_pack=secrets.token_bytes(16),
            flags=0,
        )
        return body(head) + signing.sign(volume.seed, CONTEXT, body(head))

    def recollect(self) -> None:
        """Tell a Hive that lost some of its past what is known here."""
        with self.client() as client:
            client.recollect(
                Recollection(
                    [
                        RememberedInstallation(
                            name,
                            self.highest.get(name, "0.0"),
                            local.epoch is not None and local.epoch == self.highest.get(name),
                            [
                                RememberedVolume(volume_id(volume.seed), volume.chain[-64:])
                                for volume in local.volumes.values()
                            ],
                        )
                        for name, local in self.local.items()
                    ]
                )
            )

    def report(self) -> None:
        """Send a report of everything."""
        revision = self.told[-1].revision if self.told else 0
        with self._lock:
            report = Report(
                at_ns=0,
                assignments_revision=revision,
                version=self.version,
                engine_version="20.10",
                machine=MachineState(10**12, 5 * 10**11, 8 * 10**9, 4 * 10**9, 0.1, "amd64"),
                pool=None,
                installations=[self._installation(name, local) for name, local in self.local.items()],
                volumes=[
                    self._volume(name, kind, local, volume)
                    for name, local in self.local.items()
                    for kind, volume in local.volumes.items()
                ],
                highest=self.highest,
                hardware=self.hardware,
                group=self.group,
                upgrade=self.upgrade,
                lan=self.lan,
                link_tokens=list(self.link_tokens),
            )
        self.send(Reported(report, self.digest))

    def send(self, message: FromDevice) -> None:
        """Send one message, if connected."""
        with self._lock:
            socket = self._socket
        if socket is not None:
            try:
                socket.send(msgspec.json.encode(message).decode())
            except ConnectionClosed:
                return

    def _shake_hands(self, socket: ClientConnection) -> Welcome:
        nonce = secrets.token_hex(32)
        hello = Hello(
            self.id, self.session, nonce, channel.PROTOCOL_MIN, channel.PROTOCOL_MAX, "0.1.0", list(self.answers)
        )
        socket.send(msgspec.json.encode(hello).decode())
        challenge = self._next(socket)
        assert isinstance(challenge, Challenge)
        said = f"{nonce}\n{self.id}\n{self.session}".encode()
        assert signing.verify(challenge.hive_key, channel.HIVE_CONTEXT, said, bytes.fromhex(challenge.signature))
        answer = f"{challenge.nonce}\n{challenge.hive_key}\n{self.session}".encode()
        proof = Proof(signing.sign(self.seed, channel.DEVICE_CONTEXT, answer).hex())
        socket.send(msgspec.json.encode(proof).decode())
        welcome = self._next(socket)
        assert isinstance(welcome, Welcome)
        self.welcomes.append(welcome)
        return welcome

    def _next(self, socket: ClientConnection) -> FromHive:
        message = _decoder.decode(socket.recv(timeout=_SECONDS))
        if isinstance(message, Goodbye):
            self.goodbye = message
            self._open.close()
            raise TurnedAway(message)
        return message

    def _listen(self, socket: ClientConnection) -> None:
        try:
            while True:
                message = self._heard(socket)
                match message:
                    case Goodbye():
                        self.goodbye = message
                        return
                    case Welcome():
                        self.welcomes.append(message)
                    case Assignments() if self.told and message.revision < self.told[-1].revision:
                        # As a real one does: it is older than what this process was told.
                        self.report()
                    case Assignments():
                        self.told.append(message)
                        if self.obedient:
                            self.obey()
                        self.report()
                    case ReportAgain():
                        self.asked_again += 1
                        self.report()
                    case Ordered(command):
                        self.commands.append(command)
                        said = self.answers.get(kind_of(command.body), f"{self.name} says hello")
                        result = CommandResult(command.id, "expired" if self.is_late else "done", said)
                        self.send(Answered(result))
        except ConnectionClosed:
            return

    def _heard(self, socket: ClientConnection) -> FromHive:
        """Wait for a message. What went wrong is tried again meanwhile, as a real one does; nobody tells it to."""
        while True:
            with contextlib.suppress(TimeoutError):
                return _decoder.decode(socket.recv(timeout=_AGAIN_SECONDS if self._is_stuck() else None))
            self.obey()
            self.report()

    def obey(self) -> None:
        """Carry out what was assigned last."""
        assert self.told
        with self._lock:
            for item in self.told[-1].items:
                local = self.local.setdefault(item.installation, Local())
                local.goal, local.problem = item.goal, None
                self._give_token(item)
                if item.epoch is not None:
                    known = self.highest.get(item.installation)
                    if known is None or epochs.parse(item.epoch) > epochs.parse(known):
                        self.highest[item.installation] = item.epoch
                try:
                    self._carry_out(item, local)
                except (MosaicError, AssertionError) as error:
                    local.phase = "starting"
                    local.problem = Failure(_NOT_NOW, str(error), "")

    def _is_stuck(self) -> bool:
        with self._lock:
            return self.obedient and any(one.problem and one.problem.code == _NOT_NOW for one in self.local.values())

    def _give_token(self, item: Assignment) -> None:
        if item.link is not None and item.goal == "run":
            token = link_tokens.derive(self.root, LinkId(item.link.id), item.link.token)
            told = LinkTokenHash(token.link, item.link.token, link_tokens.hash_of(token), root_id_of(self.root))
            self.link_tokens = [*(one for one in self.link_tokens if one.link != token.link), told]

    def _carry_out(self, item: Assignment, local: Local) -> None:
        if item.goal in self.refuses:
            local.phase = "failed"
            local.problem = Failure("refused", self.refuses[item.goal], "do something else")
            return
        match item.goal:
            case "prepare":
                local.phase = "prepared"
            case "drop":
                self.local.pop(item.installation, None)
            case "run" | "stop" | "leave":
                if item.epoch is None:
                    return
                missing = any(each.base and each.kind not in local.volumes for each in item.volumes)
                if self.cannot_restore and (missing or (item.origin is not None and not local.volumes)):
                    self._give_up(item, local)
                    return
                fresh = local.epoch != item.epoch
                self._hold(item, local)
                if fresh or (item.goal == "leave" and local.phase != "released"):
                    for kind in local.volumes:
                        self.commit(item.installation, kind)
                if item.goal != "leave":
                    self._go_back(item, local)
                    self._update(item, local)
                    self.digests.append(item.app_digest)
                phases: dict[str, InstallationPhase] = {"run": "running", "stop": "stopped", "leave": "released"}
                local.phase = phases[item.goal]

    def _go_back(self, item: Assignment, local: Local) -> None:
        """Save the present and name the earlier state, once for each wish."""
        back = item.going_back
        if back is None or (local.went_back is not None and local.went_back.id == back.id):
            return
        volume = local.volumes["data"]
        if self.cannot_go_back:
            failure = Failure("restore-incomplete", self.cannot_go_back, "choose another one")
            local.went_back = WentBack(back.id, volume.head, failure)
            return
        saved = self.commit(item.installation)
        if back.head is not None:
            self.commit(item.installation, wish=back.id)
        local.went_back = WentBack(back.id, saved)

    def _update(self, item: Assignment, local: Local) -> None:
        """Try another version, once for each wish, as far as `update_stage`; what it writes then is its own."""
        wish, before = item.update, local.update
        if wish is None or (before is not None and before.id == wish.id and before.stage in ("done", "failed")):
            return
        if self.cannot_update:
            failure = Failure("web-unwell", self.cannot_update, "look at its logs")
            local.update = UpdateState(wish.id, "failed", failure, kept="1.1-9")
            return
        local.update = UpdateState(wish.id, self.update_stage)
        if self.update_stage == "done":
            self.writes_as(wish.app_digest)
            if self.writes_after_updates:
                self.commit(item.installation)

    def _give_up(self, item: Assignment, local: Local) -> None:
        """A restore failed: nothing is held, and there is nothing to leave behind."""
        if item.goal == "leave":
            local.phase, local.epoch = "released", item.epoch
            return
        local.phase, local.epoch = "failed", None
        local.problem = Failure("restore-incomplete", self.cannot_restore, "restore an older snapshot")

    def _hold(self, item: Assignment, local: Local) -> None:
        # An assignment that was written before it had registered them names none: the keys it made still count.
        if not item.volumes and not local.volumes:
            seed = secrets.token_bytes(32)
            new = NewVolume(
                volume_id(seed),
                envelope.wrap_volume_seed(Secret(seed), self.root, volume=VolumeId(volume_id(seed))),
                root_id_of(self.root),
            )
            with self.client() as client:
                client.register_volume(item.installation, "data", new)
            local.volumes["data"] = LocalVolume(seed, epoch=item.epoch)
        for each in item.volumes:
            seed = unwrap.open_volume_seed(each.wrapped_seed, self.root, volume=VolumeId(each.volume)).reveal()
            volume = local.volumes.setdefault(each.kind, LocalVolume(seed))
            if volume.epoch != item.epoch:
                found = self.blobs().heads(VolumeId(each.volume)).newest()
                volume.head = found[0] if found else None
                volume.seq = int.from_bytes(found[1][57:65], "big") if found else 0
                assert volume.head == each.base
            volume.epoch = item.epoch
        local.epoch = item.epoch

    def _services(self, name: str) -> list[ServiceState]:
        web, item = ServiceState("web", "running", "healthy", None), self.assigned(name)
        if item is None or item.link is None or not self.has_link_service:
            return [web]
        return [web, ServiceState("link", "running", None, None, link=True)]

    def _installation(self, name: str, local: Local) -> InstallationReport:
        running = local.phase == "running"
        return InstallationReport(
            installation=name,
            goal=local.goal,
            epoch=local.epoch,
            phase=local.phase,
            healthy=running,
            app_digest=self.runs,
            config_revision=1,
            services=self._services(name) if running else [],
            ports=[PortBinding("web", 80, "tcp", "127.0.0.1", 18080)] if running else [],
            images={"web": "sha256:" + "11" * 32} if running else {},
            problem=local.problem,
            update=local.update if self.tells_updates else None,
        )

    def _volume(self, name: str, kind: str, local: Local, volume: LocalVolume) -> VolumeReport:
        state: ReplicaState = "replicated" if volume.acknowledged else "pending"
        instant_ns = 1_800_000_000 * 10**9 if volume.head else None
        return VolumeReport(
            volume=volume_id(volume.seed),
            installation=name,
            kind=kind,
            epoch=volume.epoch,
            state=state,
            local_head=volume.head,
            replicas=[Replica("hive", self.same_machine, state, instant_ns, volume.head)],
            waiting_bytes=0,
            conflicts=self.conflicts,
            went_back=local.went_back,
        )


class TurnedAway(Exception):
    """The Hive said goodbye instead of welcome."""

    def __init__(self, goodbye: Goodbye) -> None:
        super().__init__(f"{goodbye.code}: {goodbye.message}")
        self.goodbye = goodbye
