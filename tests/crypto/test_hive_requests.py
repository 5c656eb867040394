"""A Hive's signature stands for one request, at one time, and its bytes never change."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.crypto import hive_requests
from mosaic.crypto.hive_requests import HiveRequest, HiveRequestElsewhere, HiveRequestLate, HiveRequestUnsigned

SEED = bytes(range(32))
OWN = ("gw.example.net", "2001:db8::1")
REQUEST = HiveRequest("PUT", "/v1/links/aaaaaaaaaaaa?x=1", b'{"revision":1}', OWN[0])
NOW = 1_800_000_000
VECTOR = {
    "Mosaic-Hive": "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
    "Mosaic-Gateway": "gw.example.net",
    "Mosaic-Time": "1800000000",
    "Mosaic-Signature": "0a3d7a109476120e5cbdeab56caf9beed5d2426c68ec79227657d7769fc9a0d1"
    "680379f4a6e5c922f9a395b3672c2a227be36a749ce97d0e6e3ecd079e42f70e",
}
"""Signed over `mosaic gateway request v1` 0x00, then gateway, PUT, path, time and SHA-256 of the body, a line each."""


def test_the_bytes_are_as_they_were() -> None:
    assert hive_requests.sign(SEED, REQUEST, now_seconds=NOW) == VECTOR
    assert hive_requests.verify(VECTOR, REQUEST, own=OWN, now_seconds=NOW) == VECTOR["Mosaic-Hive"]


@given(st.sampled_from(["method", "path", "body"]))
def test_another_request_is_not_what_was_signed(part: str) -> None:
    changed = {
        "method": HiveRequest("DELETE", REQUEST.path, REQUEST.body),
        "path": HiveRequest(REQUEST.method, "/v1/links/aaaaaaaaaaaa", REQUEST.body),
        "body": HiveRequest(REQUEST.method, REQUEST.path, b"{}"),
    }[part]
    with pytest.raises(HiveRequestUnsigned):
        hive_requests.verify(VECTOR, changed, own=OWN, now_seconds=NOW)


@pytest.mark.parametrize("name", list(VECTOR))
@pytest.mark.parametrize("value", ["", "0", "zz", "-1", "1800000001", "A" * 64, "00" * 64])
def test_another_header_is_not_what_was_signed(name: str, value: str) -> None:
    with pytest.raises(HiveRequestUnsigned):
        hive_requests.verify({**VECTOR, name: value}, REQUEST, own=OWN, now_seconds=NOW)


@pytest.mark.parametrize("meant", ["GW.example.net.", "[2001:DB8:0::1]"])
def test_a_gateway_is_known_by_every_spelling_of_its_names(meant: str) -> None:
    headers = hive_requests.sign(SEED, replace(REQUEST, gateway=meant), now_seconds=NOW)
    assert hive_requests.verify(headers, REQUEST, own=OWN, now_seconds=NOW) == VECTOR["Mosaic-Hive"]


@pytest.mark.parametrize("meant", ["", "gw.example.org", "w.example.net", "2001:db8::2"])
def test_one_for_another_gateway_is_refused_and_cannot_be_made_one_for_this(meant: str) -> None:
    headers = hive_requests.sign(SEED, replace(REQUEST, gateway=meant), now_seconds=NOW)
    with pytest.raises(HiveRequestElsewhere):
        hive_requests.verify(headers, REQUEST, own=OWN, now_seconds=NOW)
    with pytest.raises(HiveRequestUnsigned):
        hive_requests.verify({**headers, "Mosaic-Gateway": OWN[0]}, REQUEST, own=OWN, now_seconds=NOW)


@pytest.mark.parametrize("apart", [-301, 301])
def test_one_that_is_late_or_early_is_refused(apart: int) -> None:
    with pytest.raises(HiveRequestLate, match="301 s apart"):
        hive_requests.verify(VECTOR, REQUEST, own=OWN, now_seconds=NOW + apart)
    hive_requests.verify(VECTOR, REQUEST, own=OWN, now_seconds=NOW + apart * 300 // 301)
