"""Naming bytes by their BLAKE3 hash.

Heads and Devices are named by the plain hash: anybody may check those.
Chunks, pages and root records are named by the hash under a key of their
volume, so that a store cannot tell whether a file that it knows is in it.
"""

from blake3 import blake3

from mosaic.core.ids import DeviceId, HeadHash

BLOB_ID_BYTES = 32


def head_hash(signed: bytes) -> HeadHash:
    """Return the name of a signed head (all of its bytes, the signature too)."""
    return HeadHash(blake3(signed).hexdigest())


def device_id(public_key: bytes) -> DeviceId:
    """Return the id of the Device with this Ed25519 public key (32 bytes)."""
    return DeviceId(blake3(public_key).digest(length=16).hex())


def blob_id(key: bytes, plain: bytes | memoryview) -> bytes:
    """Return the 32-byte id of a chunk, page or root record under its volume's 32-byte id key."""
    return blake3(plain, key=key).digest()
