"""How a storage daemon reads and writes a Hive: packs and other objects, and heads.

All requests carry `Authorization: Bearer <session token>` and are made with
the Device's session; what only reads (GET) is answered to the account's own
API token too. Object names are 1–160 characters of [a-z0-9._-]; objects
are immutable and at most 64 MiB.

| request | answer |
|---|---|
| PUT /api/volumes/{volume}/objects/{name} (octets) | 201; 200 if these very bytes are there; 409 `object-exists` if others are |
| GET /api/volumes/{volume}/objects/{name} (Range allowed) | 200 or 206 octets; 404 |
| GET /api/volumes/{volume}/objects?prefix=&after=&limit= | ObjectList, sorted by name |
| DELETE /api/volumes/{volume}/objects/{name} | 204, also when it is gone; 409 `fenced`; only packs and heads |
| POST /api/volumes/{volume}/heads (octets: a signed head) | HeadAccepted; 409 `fenced` or `head-stale` with the newest head |
| GET /api/volumes/{volume}/heads?before=&limit= | HeadList, the newest first |
| POST /api/volumes/{volume}/retained (Retain) | Retained; 409 `fenced` |
| POST /api/volumes/{volume}/read-leases (ReadLease) | ReadLeased; 404 `head-unknown`, also when it was let go |
| PUT /api/volumes/{volume}/heads/{hash}/pin (Pin) | Pin; 404 `head-unknown`, also when it was let go |
| GET /api/volumes/{volume}/heads/newest | HeadAnswer |
| GET /api/volumes/{volume}/heads/{hash} | HeadAnswer; 404 |

A head is accepted when its signature is the volume's, its epoch and the
session are the lease's, and its `previous` is the newest head. The head that
is the newest already is accepted again (a lost reply). A problem's body is
`mosaic.wire.problem.Problem`.
"""

import msgspec

OBJECT_NAME = r"[a-z0-9][a-z0-9._-]{0,159}"
MAX_OBJECT_BYTES = 64 * 1024 * 1024


class ObjectEntry(msgspec.Struct, frozen=True):
    """One stored object."""

    name: str
    size: int


class ObjectList(msgspec.Struct, frozen=True):
    """A page of names; `next` is the `after` of the next page, None at the end."""

    objects: list[ObjectEntry]
    next: str | None


class HeadAccepted(msgspec.Struct, frozen=True):
    """The head is in the Hive's database for good. `head` is its hash."""

    head: str


class HeadAnswer(msgspec.Struct, frozen=True):
    """The newest head: its hash and its signed bytes (hex). Both None when the volume has none."""

    head: str | None
    signed: str | None


class Retain(msgspec.Struct, frozen=True):
    """Let go of what retention does not keep. Only the holder of `epoch` may ask. `mirrored` are hashes of heads."""

    epoch: str
    mirrored: list[str]


class Retained(msgspec.Struct, frozen=True):
    """What is kept now: signed heads (hex), the newest first. `let_go` are those of `mirrored` that are not, for good.

    `oldest_reader` is the number of the newest head when the oldest read lease was given that is still held.
    """

    kept: list[str]
    let_go: list[str]
    oldest_reader: int | None


class Pin(msgspec.Struct, frozen=True):
    """What a snapshot is called that retention must never let go; None: it is not pinned."""

    name: str | None


class ReadLease(msgspec.Struct, frozen=True):
    """Keep this head, and all that a reader of it may look for, until I said that I am done or for 24 hours.

    `id` is the reader's own random name for it (32 hex digits): the same again makes it last longer, `done` ends it.
    """

    id: str
    head: str
    done: bool = False


class ReadLeased(msgspec.Struct, frozen=True):
    """It is held until then, in nanoseconds since 1970 UTC by the Hive's clock."""

    until_ns: int


class HeadEntry(msgspec.Struct, frozen=True):
    """One accepted head: its hash, its signed bytes (hex), and when the Hive accepted it by its own clock.

    `pin` is what the owner pinned it as, None when retention may let it go.
    """

    head: str
    signed: str
    accepted_ns: int
    pin: str | None = None


class HeadList(msgspec.Struct, frozen=True):
    """A page of heads; `next` is the `before` of the next page, None at the end."""

    heads: list[HeadEntry]
    next: int | None
