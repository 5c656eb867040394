"""Coming back from an older copy of the database: hear every Device, then adopt what they know (design 7).

While a roll call is under way nothing is granted, moved or deleted, no head
is accepted, and Devices are told nothing, so that they keep what they have
and their apps go on. It ends when every Device has told what it knows, or
when the owner waived those that will not come back. What was adopted, and
that it ended, is one transaction; a Hive that is killed before it goes on
waiting, and has forgotten nothing that was said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mosaic.adapters import log
from mosaic.adapters.sql import devices, events, heads, installations, placements, roll_calls, settings
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.core import epoch as epochs
from mosaic.core import rewind
from mosaic.core.errors import Refused, Unavailable
from mosaic.core.ids import AccountId, DeviceId, HeadHash, InstallationId, VolumeId
from mosaic.core.lease import OfferedHead
from mosaic.core.placement import Phase, Placement, Wish, enter
from mosaic.core.rewind import Recollection
from mosaic.crypto import signing
from mosaic.crypto.hashing import head_hash
from mosaic.hive import updates
from mosaic.hive.channel.sights import MOST, is_sensible, read_epoch
from mosaic.hive.finding import find_device
from mosaic.hive.runtime import Hive
from mosaic.wire.head import BODY_BYTES, CONTEXT, Head, HeadUnreadable, parse
from mosaic.wire.recollection import MOST_HEADS, RememberedInstallation, RememberedVolume
from mosaic.wire.recollection import Recollection as Told
from mosaic.wire.report import Report

TERM = "term"


class HiveRecovering(Unavailable):
    """The Hive came back from an older copy and has not heard all Devices yet."""

    code = "hive-recovering"

    def __init__(self) -> None:
        super().__init__(
            "the Hive came back from an older copy of its database, and waits for its Devices to tell what it lacks",
            hint="`mosaic hive state` names them; to go on without one: `mosaic hive recover --waive DEVICE`",
        )


class NotRecovering(Refused):
    """There is nobody to wait for."""

    code = "hive-not-recovering"

    def __init__(self) -> None:
        super().__init__("the Hive waits for no Device", hint="`mosaic hive state` shows how it is")


def require_none(tx: Tx) -> None:
    """Return when no roll call is under way. Raises HiveRecovering."""
    if roll_calls.is_on(tx):
        raise HiveRecovering


async def hear(hive: Hive, device: DeviceId, account: AccountId, told: Told) -> None:
    """Take in what a Device knows. Outside of a roll call it is not needed, and that is all."""

    def write(tx: Tx) -> bool:
        roll = roll_calls.current(tx)
        if roll is None:
            return False
        roll_calls.put_told(tx, device, _believable(tx, account, told))
        roll_calls.save(tx, rewind.hear(roll, device, more=True))
        return _concluded(tx, hive)

    if await hive.write(write):
        await _go_on(hive)


async def waive(hive: Hive, who: AccountId, name: str) -> None:
    """Go on without a Device: what only it knows stays a conflict on it, should it ever come back (G5)."""
    now_ns = hive.clock.wall_ns()

    def write(tx: Tx) -> bool:
        roll = roll_calls.current(tx)
        device = find_device(tx, who, name)
        if roll is None or device.id not in roll.awaited:
            raise NotRecovering
        text = f"The Hive goes on without hearing {device.name}."
        events.add(tx, Happened(who, "device-waived", device.id, text), now_ns=now_ns)
        roll_calls.save(tx, rewind.waive(roll, device.id))
        return _concluded(tx, hive)

    if await hive.write(write):
        await _go_on(hive)


def knows_more(tx: Tx, by: DeviceId, report: Report) -> bool:
    """Say whether a Device's report shows that this Hive lost some of its past.

    Only what an admitted Device says of its own account's installations counts:
    a roll call stops everybody, and waits for those who are admitted.
    Either it was granted a later epoch, or a head was acknowledged to it in
    the present one that is not here. A head of an older epoch that nobody
    knows is another matter: it was left behind, and stays a conflict there.
    """
    device = devices.get(tx, by)
    if device is None or device.removed or device.admission is None:
        return False
    for name, text in report.highest.items():
        epoch = read_epoch(text)
        known = None if "\0" in name else installations.get(tx, InstallationId(name))
        placement = placements.get(tx, known.id) if known is not None and known.account == device.account else None
        if placement is None or epoch is None or not is_sensible(epoch) or epoch < placement.lease.epoch:
            continue
        if epoch > placement.lease.epoch:
            return True
        for volume in report.volumes:
            is_ours = volume.installation == name and VolumeId(volume.volume) in placement.lease.newest
            head = volume.local_head
            if is_ours and head and heads.signed(tx, VolumeId(volume.volume), HeadHash(head)) is None:
                return True
    return False


async def begin(hive: Hive) -> None:
    """A Device knows more than this Hive: freeze, and let every Device connect again and tell what it knows."""
    now_ns = hive.clock.wall_ns()
    await hive.write(lambda tx: roll_calls.begin(tx, now_ns=now_ns))
    log.warning("hive_went_back_in_time")
    hive.connections.end_all()


async def look(hive: Hive) -> None:
    """End a roll call that waits for nobody, as one without Devices does. For the start."""
    if await hive.write(lambda tx: roll_calls.is_on(tx) and _concluded(tx, hive)):
        await _go_on(hive)


async def _go_on(hive: Hive) -> None:
    hive.term = int(await hive.read(lambda tx: settings.get(tx, TERM)) or hive.term)
    hive.carry_on(await hive.read(installations.every))
    for connection in hive.connections.all():
        connection.changed.wake()
    log.info("hive_recovered", term=hive.term)


def _concluded(tx: Tx, hive: Hive) -> bool:
    """Adopt everything and end the roll call, if nobody is awaited any more; say whether that was so."""
    roll = roll_calls.current(tx)
    if roll is None or roll.frozen:
        return False
    told = roll_calls.told(tx)
    terms = [epochs.parse(each.epoch).term for said in told.values() for each in said.installations]
    term = max(hive.term, *terms, 0)
    if term > hive.term:
        # A run that this database does not remember has granted: go on above all of its terms.
        term = rewind.fresh_term([term], hive.term)
        settings.put(tx, TERM, str(term))
    now_ns = hive.clock.wall_ns()
    for installation in installations.every(tx):
        _adopt(tx, installation, told, term=term, now_ns=now_ns)
    roll_calls.end(tx)
    for account in {each.account for each in devices.every(tx)}:
        text = "The Hive has heard its Devices, and goes on with what they know."
        events.add(tx, Happened(account, "hive-recovered", account, text), now_ns=now_ns, by="hive")
    return True


def _adopt(tx: Tx, installation: InstallationId, told: Mapping[DeviceId, Told], *, term: int, now_ns: int) -> None:
    before = placements.lock(tx, installation)
    if before is None:
        return
    said = {
        device: each for device, all_of in told.items() for each in all_of.installations
        if each.installation == installation
    }  # fmt: skip
    signed = _signed_heads(said.values(), before)
    reports = [_recollection(device, each, before) for device, each in said.items()]
    adopted = rewind.adopt(before.lease, reports, term=term)
    for volume, newest in adopted.lease.newest.items():
        ours = before.lease.newest.get(volume)
        if newest is not None and newest != ours:
            added = _add_heads(tx, volume, newest.hash, signed, known=ours.hash if ours else None, now_ns=now_ns)
            for head in added:
                # It may have been updated, or gone back, after the copy was made.
                updates.adopt_head(tx, installation, head, now_ns=now_ns)
    after = replace(before, lease=adopted.lease)
    if adopted.claimant is not None and adopted.claimant != before.home:
        # It was moved after the copy was made: it is where the latest epoch was granted.
        wish = Wish.RUN if before.phase is Phase.TRASHED else before.wish
        moved = enter(after, Phase.ARRIVING, now_ns)
        after = replace(moved, home=adopted.claimant, other=None, returning=False, arrival=None, wish=wish)
        updates.left_its_device(tx, installation, now_ns=now_ns)
    placements.save(tx, installation, before, after)


def _recollection(device: DeviceId, said: RememberedInstallation, before: Placement) -> Recollection:
    chains = {
        VolumeId(volume.volume): [_offered(bytes.fromhex(head)) for head in volume.heads]
        for volume in said.volumes
        if volume.volume in before.lease.newest
    }
    return Recollection(device, epochs.parse(said.epoch), said.held, chains)


def _offered(signed: bytes) -> OfferedHead:
    head, _ = parse(signed)
    return OfferedHead(head_hash(signed), head.previous, head.seq, head.epoch)


def _signed_heads(said: Iterable[RememberedInstallation], before: Placement) -> dict[HeadHash, bytes]:
    texts = [head for each in said for volume in each.volumes if volume.volume in before.lease.newest
             for head in volume.heads]  # fmt: skip
    return {head_hash(signed): signed for signed in map(bytes.fromhex, texts)}


def _add_heads(
    tx: Tx, volume: VolumeId, newest: HeadHash, signed: Mapping[HeadHash, bytes], *, known: HeadHash | None, now_ns: int
) -> list[Head]:
    """Write the chain that ends in `newest`, from the first head that is not known here, and return what was new."""
    chain: list[tuple[HeadHash, Head, bytes]] = []
    at: HeadHash | None = newest
    while at is not None and at != known and at in signed:
        head, _ = parse(signed[at])
        chain.append((at, head, signed[at]))
        at = head.previous
    added = [one for one in reversed(chain) if heads.signed(tx, volume, one[0]) is None]
    for name, head, content in added:
        heads.add(tx, name, head, content, now_ns=now_ns)
    return [head for _, head, _ in added]


def _believable(tx: Tx, account: AccountId, told: Told) -> Told:
    """Return what counts of a recollection: the account's installations, and heads that their volumes have signed."""
    items = []
    for said in told.installations:
        try:
            epoch = epochs.parse(said.epoch)
        except ValueError:
            continue
        known = None if "\0" in said.installation else installations.get(tx, InstallationId(said.installation))
        if known is None or known.account != account or not is_sensible(epoch):
            continue
        kept = [RememberedVolume(each.volume, _signed_by(VolumeId(each.volume), each.heads)) for each in said.volumes]
        items.append(RememberedInstallation(said.installation, said.epoch, said.held, kept))
    return Told(items)


def _signed_by(volume: VolumeId, texts: list[str]) -> list[str]:
    """Return the newest heads, as far back as each is the volume's."""
    good: list[str] = []
    for text in reversed(texts[-MOST_HEADS:]):
        try:
            signed = bytes.fromhex(text)
            head, signature = parse(signed)
        except (ValueError, HeadUnreadable):
            break
        is_ours = head.volume == volume and signing.verify(volume, CONTEXT, signed[:BODY_BYTES], signature)
        if not is_ours or not is_sensible(head.epoch) or max(head.seq, head.instant_ns) >= MOST:
            break
        good.insert(0, text)
    return good
