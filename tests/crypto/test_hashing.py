"""Names are hashes, and a store learns nothing from them."""

from mosaic.crypto.hashing import blob_id, device_id, head_hash


def test_a_head_is_named_by_the_plain_hash_of_all_its_bytes() -> None:
    # The value for empty input of the BLAKE3 specification.
    assert head_hash(b"") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert head_hash(b"head") != head_hash(b"heae")


def test_a_device_is_named_by_half_the_hash_of_its_key() -> None:
    assert device_id(b"") == "af1349b9f5f9a1a6a0404dea36dcc949"


def test_the_same_content_has_another_id_in_another_volume() -> None:
    assert blob_id(bytes(32), b"content") == blob_id(bytes(32), memoryview(b"content"))
    assert blob_id(bytes(32), b"content") != blob_id(b"\1" + bytes(31), b"content")
    assert blob_id(bytes(32), b"") != bytes.fromhex(head_hash(b""))
