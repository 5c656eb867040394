"""Saying again what a Report said, in a few bytes: that nothing changed but the machine's figures.

A Report has a part that holds until something happens, and figures that move
all the time: how much of the disk, the pool and the memory is free, and the
load. A heartbeat names the first by its digest and brings the second. It means
just what the whole Report would have meant.
"""

import hashlib

import msgspec
from msgspec import structs

from mosaic.wire.report import Report

_DIGEST_CHARACTERS = 32


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """The Report with this `digest` still holds, but for the figures. `pool_free_bytes` is None without a pool."""

    digest: str
    at_ns: int
    disk_free_bytes: int
    memory_available_bytes: int
    load_1m: float
    pool_free_bytes: int | None


def lasting(report: Report) -> Report:
    """Return the report without its time and the figures that a heartbeat brings."""
    return _with(report, Heartbeat("", 0, 0, 0, 0.0, None if report.pool is None else 0))


def digest_of(report: Report) -> str:
    """Return what names the lasting part: 128 bits of its SHA-256 as hex.

    Only the Device computes it. A Hive compares what it was told, for it may know fewer fields.
    """
    return hashlib.sha256(msgspec.json.encode(lasting(report))).hexdigest()[:_DIGEST_CHARACTERS]


def heartbeat(report: Report, digest: str) -> Heartbeat:
    """Return the heartbeat that says this report again. `digest` is the report's."""
    machine, pool = report.machine, report.pool
    return Heartbeat(
        digest,
        report.at_ns,
        machine.disk_free_bytes,
        machine.memory_available_bytes,
        machine.load_1m,
        pool.free_bytes if pool else None,
    )


def said_again(report: Report, beat: Heartbeat) -> Report:
    """Return the whole Report that the heartbeat stands for, given the one that it names."""
    return _with(report, beat)


def _with(report: Report, beat: Heartbeat) -> Report:
    machine = structs.replace(
        report.machine,
        disk_free_bytes=beat.disk_free_bytes,
        memory_available_bytes=beat.memory_available_bytes,
        load_1m=beat.load_1m,
    )
    pool = report.pool
    if pool is not None and beat.pool_free_bytes is not None:
        pool = structs.replace(pool, free_bytes=beat.pool_free_bytes)
    return structs.replace(report, at_ns=beat.at_ns, machine=machine, pool=pool)
