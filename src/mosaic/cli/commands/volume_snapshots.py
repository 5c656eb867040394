"""`mosaic volume snapshots`: what can be gone back to. Needs no passphrase: heads are signed, not hidden."""

import click
import msgspec

from mosaic.cli.output import Output, json_option
from mosaic.cli.past.asked import Asked, asked_of
from mosaic.cli.past.opening import SUSPECT, chosen, past_of
from mosaic.cli.past.past import Past, PastSnapshot
from mosaic.cli.units import second
from mosaic.core.auditing import is_suspect
from mosaic.core.ids import HeadHash
from mosaic.storage.engine.suspects import suspects_in


class Shown(msgspec.Struct, frozen=True):
    """One snapshot. `app_digest` (hex) is None for a volume that belongs to no app, `pin` when it is not pinned.

    `suspect`: by an audit it may lack changes that the app had made before it.
    """

    head: str
    seq: int
    instant_ns: int
    epoch: str
    device: str
    device_name: str
    app_digest: str | None
    config_revision: int
    label: str
    pin: str | None
    suspect: bool


@click.command()
@asked_of
@json_option
def snapshots(out: Output, asked: Asked) -> None:
    """List the snapshots of the volume NAME (an app's name, or the beginning of a key), the newest first.

    With --at only the one that is meant. Every command of the time machine
    takes --at with a snapshot's number, its hash, or an instant.
    """
    with past_of(asked) as past:
        found = [chosen(past, asked.at)] if asked.at is not None else _once(past)
        doubted = list(suspects_in(past.store, past.volume)) if found else []
        shown = [_shown(past, one, suspect=is_suspect(one.seq, doubted)) for one in found]
    rows = [
        [
            second(one.instant_ns),
            str(one.seq),
            at.short,
            f"{one.label}, SUSPECT" if one.suspect else one.label,
            one.device_name,
            one.epoch,
            _app(one),
            one.pin or "",
        ]
        for one, at in zip(shown, found, strict=True)
    ]
    columns = ["WHEN", "NUMBER", "HASH", "CONSISTENCY", "DEVICE", "EPOCH", "APP", "PIN"]
    out.table(shown, columns, rows, empty=f"{past.name} has no snapshot yet.")
    if any(one.suspect for one in shown):
        out.remark(SUSPECT)


def _once(past: Past) -> list[PastSnapshot]:
    # A head that is committed while pages are read would come twice.
    found: dict[HeadHash, PastSnapshot] = {}
    for one in past.snapshots():
        found.setdefault(one.hash, one)
    return list(found.values())


def _shown(past: Past, one: PastSnapshot, *, suspect: bool) -> Shown:
    head = one.head
    return Shown(
        head=one.hash,
        seq=head.seq,
        instant_ns=head.instant_ns,
        epoch=str(head.epoch),
        device=head.device,
        device_name=past.device_name(head.device),
        app_digest=head.app_digest.hex() if head.app_digest else None,
        config_revision=head.config_revision,
        label=one.label,
        pin=one.pin,
        suspect=suspect,
    )


def _app(one: Shown) -> str:
    return one.app_digest[:12] if one.app_digest else "none"
