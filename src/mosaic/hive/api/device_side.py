"""What Devices ask for: joining, themselves, their volumes' keys, bundles (contract: `mosaic.wire.enrol`)."""

import re

import msgspec
from litestar import Response, get, post, put
from litestar.di import Provide
from litestar.params import FromPath, JSONBody

from mosaic.adapters.sql import accounts, devices, events, installations, placements, volumes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.sessions import SpeaksFor
from mosaic.adapters.sql.volumes import Volume
from mosaic.core.errors import Refused
from mosaic.core.ids import AppDigest, InstallationId, VolumeId
from mosaic.core.lease import register_volume
from mosaic.hive import enrolment, roll_call
from mosaic.hive.actions.root_key import require_present_root
from mosaic.hive.bundles import BundleMissing
from mosaic.hive.channel.assigning import volume_assignment
from mosaic.hive.finding import InstallationUnknown
from mosaic.hive.http import Asked, TheHive
from mosaic.hive.keys_check import PassphraseMissing
from mosaic.hive.signed_in import Session, SessionTokenUnknown, device_session, require_admitted
from mosaic.wire.account import AccountKeys
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.device_keys import KeyProof
from mosaic.wire.enrol import Enrol, Enrolled, JoinSecret, NewVolume
from mosaic.wire.recollection import MAX_BYTES, Recollection
from mosaic.wire.recollection import PATH as RECOLLECTION

_KEY = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENVELOPE = re.compile(r"(?:[0-9a-f]{2}){1,512}", re.ASCII)
_KINDS = ("data", "link")
_SESSION = {"session": Provide(device_session)}


class RecollectionMalformed(Refused):
    """What a Device remembers is not told as it should be."""

    code = "recollection-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"what the Device remembers cannot be read: {reason}", hint="bring the Hive and its Devices to one version"
        )


class VolumeMalformed(Refused):
    """The volume's key, envelope or kind is not one, or the key is another volume's."""

    code = "volume-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"this volume cannot be registered: {reason}", hint="update the device")


@post("/api/enrol/keys", status_code=200)
async def keys_for_joining(data: JSONBody[JoinSecret], hive: TheHive) -> AccountKeys:
    """Return the account's keys to somebody who has a join token, to check a passphrase before the token is used."""
    return await enrolment.keys_for(hive, data.secret)


@post("/api/enrol", status_code=200)
async def enrol(data: JSONBody[Enrol], hive: TheHive) -> Enrolled:
    """Let a Device in."""
    return await enrolment.enrol(hive, data)


@get("/api/device", dependencies=_SESSION)
async def myself(hive: TheHive, session: Session) -> Enrolled:
    """Return what the Device was told when it joined, as it is now."""

    def look(tx: Tx) -> Enrolled:
        return enrolment.enrolled(*_known(tx, session))

    return await hive.read(look)


@put("/api/device/keys", status_code=204, dependencies=_SESSION)
async def tell_keys(data: JSONBody[KeyProof], hive: TheHive, session: Session) -> None:
    """Keep what the Device says of its keys; before it is admitted, too: whoever admits it looks at it."""

    def change(tx: Tx) -> None:
        device, keys = _known(tx, session)
        enrolment.require_proof(
            data,
            signing_key=device.signing_key,
            wrapping_key=device.wrapping_key,
            owner_key=keys.owner_key,
        )
        devices.put_key_proof(tx, device.id, data)

    await hive.write(change)


@put("/api/device/installations/{installation:str}/volumes/{kind:str}", dependencies=_SESSION)
async def register(
    installation: FromPath[str],
    kind: FromPath[str],
    data: JSONBody[NewVolume],
    hive: TheHive,
    session: Session,
) -> VolumeAssignment:
    """Register the keys that the holder made. The first ones registered win; the answer says which they are."""
    require_admitted(session)
    if kind not in _KINDS:
        raise VolumeMalformed("its kind is neither data nor link")
    if not _KEY.fullmatch(data.volume) or not _ENVELOPE.fullmatch(data.wrapped_seed):
        raise VolumeMalformed("its key or its envelope is not hex")
    now_ns = hive.clock.wall_ns()
    found = InstallationId(installation)
    told = await hive.write(lambda tx: _register(tx, found, kind, data, session, now_ns))
    hive.carry_on([found])
    return told


def _register(
    tx: Tx, installation: InstallationId, kind: str, new: NewVolume, session: SpeaksFor, now_ns: int
) -> VolumeAssignment:
    known = None if "\0" in installation else installations.get(tx, installation)
    before = placements.lock(tx, installation) if known else None
    if known is None or before is None or known.account != session.account:
        raise InstallationUnknown(installation)
    for existing in volumes.of_installation(tx, installation):
        if existing.kind == kind:
            return _told(tx, existing, known)
    require_present_root(tx, session.account, new.root_id)
    volume = VolumeId(new.volume)
    if volumes.get(tx, volume) is not None:
        raise VolumeMalformed("its key is another volume's")
    register_volume(before.lease, volume, by=session.holder, epoch=before.lease.epoch)
    made = Volume(volume, installation, kind, new.wrapped_seed)
    volumes.add(tx, made, now_ns=now_ns)
    text = f"The keys of {known.name}'s {kind} volume were made."
    events.add(tx, Happened(known.account, "volumes-made", installation, text), now_ns=now_ns)
    return _told(tx, made, known)


def _told(tx: Tx, volume: Volume, installation: Installation) -> VolumeAssignment:
    # With its envelope: whoever registers a volume holds it at once, and a store without it restores nothing alone.
    account = accounts.get(tx, installation.account)
    return volume_assignment(volume, installation, account.keys if account else None)


@get("/api/device/bundles/{digest:str}", dependencies=_SESSION, media_type="application/x-tar")
async def bundle(digest: FromPath[str], hive: TheHive, session: Session) -> Response[bytes]:
    """Return an app's bundle, to a Device of an account that has installed it."""
    require_admitted(session)
    wanted = AppDigest(digest.replace("\0", ""))
    if not await hive.read(lambda tx: installations.uses(tx, session.account, wanted)):
        raise BundleMissing(digest)
    content = await hive.in_thread(lambda: hive.bundles.get(wanted))
    return Response(content, media_type="application/x-tar")


@post(RECOLLECTION, status_code=204, dependencies=_SESSION, request_max_body_size=MAX_BYTES)
async def recollect(request: Asked, hive: TheHive, session: Session) -> None:
    """Take in what a Device knows that this Hive may have lost."""
    require_admitted(session)
    # Read here and not by the framework, which would take in and decode megabytes before it asks whose they are.
    try:
        told = msgspec.json.decode(await request.body(), type=Recollection)
    except msgspec.MsgspecError as error:
        raise RecollectionMalformed(str(error)) from None
    await roll_call.hear(hive, session.holder.device, session.account, told)


handlers = [keys_for_joining, enrol, myself, tell_keys, register, bundle, recollect]


def _known(tx: Tx, session: SpeaksFor) -> tuple[devices.Device, AccountKeys]:
    """Return the Device of a session, and its account's keys. Raises SessionTokenUnknown, PassphraseMissing."""
    device = devices.get(tx, session.holder.device)
    account = accounts.get(tx, session.account)
    if device is None or account is None:
        raise SessionTokenUnknown
    if account.keys is None:
        raise PassphraseMissing
    return device, account.keys
