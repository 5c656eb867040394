"""The signed head: which bytes say what a volume's newest snapshot is.

A head is 210 bytes and a 64-byte Ed25519 signature by the volume's key. All
integers are big-endian. It is its own format, not a general encoding, so that
a reader without Mosaic needs nothing but the table in docs/format.md.

| offset | size | field |
|---|---|---|
| 0 | 8 | magic `MOSAHEAD` |
| 8 | 1 | format version, 1 |
| 9 | 32 | volume: its Ed25519 public key |
| 41 | 8 | epoch: term |
| 49 | 8 | epoch: n |
| 57 | 8 | sequence number: 1 for a volume's first head, then one more each |
| 65 | 32 | hash of the previous head; zeros for the first |
| 97 | 8 | instant of the snapshot, nanoseconds since 1970 UTC |
| 105 | 16 | Device |
| 121 | 32 | SHA-256 of the app's bundle; zeros when the volume belongs to none |
| 153 | 8 | config revision |
| 161 | 32 | id of the root record |
| 193 | 16 | name of the pack that holds the root record |
| 209 | 1 | flags: 1 the app was stopped; 2 app-consistent; 4 fuzzy |
| 210 | 64 | signature over `mosaic head v1\\0` and bytes 0–209 |

The head's hash is BLAKE3-256 over all 274 bytes. Signing and checking the
signature are `mosaic.crypto.signing`'s; hashing is `mosaic.crypto.hashing`'s;
what the flags mean is `mosaic.core.consistency`'s.
"""

import re
import struct
from dataclasses import dataclass

from mosaic.core.epoch import Epoch
from mosaic.core.errors import Corrupt
from mosaic.core.ids import DeviceId, HeadHash, VolumeId

MAGIC = b"MOSAHEAD"
VERSION = 1
CONTEXT = b"mosaic head v1\0"
BODY_BYTES = 210
SIGNATURE_BYTES = 64
HEAD_BYTES = BODY_BYTES + SIGNATURE_BYTES

MIRROR_PREFIX = "h-"
_MIRROR = re.compile(r"h-(\d{20})-([0-9a-f]{64})", re.ASCII)

_LAYOUT = struct.Struct(">8sB32sQQQ32sQ16s32sQ32s16sB")
_NO_HASH = bytes(32)


class HeadUnreadable(Corrupt):
    """The bytes are not a head of a version that this program knows."""

    code = "head-unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"these bytes are not a head: {reason}",
            hint="a newer Mosaic may have written it: update this one. The bytes were neither used nor deleted",
        )


@dataclass(frozen=True, slots=True)
class Head:
    """What one snapshot of one volume is. `previous` is None for the first; `app_digest` may be None."""

    volume: VolumeId
    epoch: Epoch
    seq: int
    previous: HeadHash | None
    instant_ns: int
    device: DeviceId
    app_digest: bytes | None
    config_revision: int
    root: bytes
    root_pack: bytes
    flags: int


def body(head: Head) -> bytes:
    """Return the 210 bytes that are signed (after `CONTEXT`)."""
    return _LAYOUT.pack(
        MAGIC,
        VERSION,
        bytes.fromhex(head.volume),
        head.epoch.term,
        head.epoch.n,
        head.seq,
        bytes.fromhex(head.previous) if head.previous else _NO_HASH,
        head.instant_ns,
        bytes.fromhex(head.device),
        head.app_digest or _NO_HASH,
        head.config_revision,
        head.root,
        head.root_pack,
        head.flags,
    )


def parse(signed: bytes) -> tuple[Head, bytes]:
    """Split a signed head into what it says and its signature. Checks the shape, not the signature.

    Raises:
        HeadUnreadable: wrong length, magic or version.
    """
    if len(signed) != HEAD_BYTES:
        raise HeadUnreadable(f"{len(signed)} bytes, and a head has {HEAD_BYTES}")
    (magic, version, volume, term, n, seq, previous, instant, device, app, config, root, pack, flags) = _LAYOUT.unpack(
        signed[:BODY_BYTES]
    )
    if magic != MAGIC:
        raise HeadUnreadable("the magic is wrong")
    if version != VERSION:
        raise HeadUnreadable(f"version {version}, and this program reads {VERSION}")
    head = Head(
        volume=VolumeId(volume.hex()),
        epoch=Epoch(term, n),
        seq=seq,
        previous=None if previous == _NO_HASH else HeadHash(previous.hex()),
        instant_ns=instant,
        device=DeviceId(device.hex()),
        app_digest=None if app == _NO_HASH else app,
        config_revision=config,
        root=root,
        root_pack=pack,
        flags=flags,
    )
    return head, signed[BODY_BYTES:]


def parse_mirror(name: str) -> tuple[int, str] | None:
    """Return the sequence number and hash in the name of a head that a store keeps, None for another object's name."""
    found = _MIRROR.fullmatch(name)
    return (int(found[1]), found[2]) if found else None
