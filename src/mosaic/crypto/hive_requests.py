"""A Hive's signature of a request to a gateway, as `mosaic.wire.links` describes it."""

import hashlib
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from mosaic.core.errors import Refused
from mosaic.crypto import signing
from mosaic.wire.links import HIVE_REQUEST_CONTEXT, HIVE_REQUEST_SECONDS

HIVE_HEADER = "Mosaic-Hive"
GATEWAY_HEADER = "Mosaic-Gateway"
TIME_HEADER = "Mosaic-Time"
SIGNATURE_HEADER = "Mosaic-Signature"
_TIME_DIGITS = 12


class HiveRequestUnsigned(Refused):
    """A request without a good signature of a Hive's key."""

    code = "hive-request-unsigned"

    def __init__(self) -> None:
        super().__init__(
            "this needs a Hive's signature, and none that is right came with it",
            hint="the gateway's operator allows a Hive with `mosaic gateway allow`",
        )


class HiveRequestLate(Refused):
    """A request that was signed too long ago, or in the future."""

    code = "hive-request-late"

    def __init__(self, apart_seconds: int) -> None:
        super().__init__(
            f"the clocks of the Hive and of its gateway are {apart_seconds} s apart, "
            f"and {HIVE_REQUEST_SECONDS} s is the most",
            hint="set the clocks of both machines, by NTP for one",
        )


class HiveRequestElsewhere(Refused):
    """A request that a Hive signed for another gateway, or for this one by a name that it does not know as its own."""

    code = "hive-request-elsewhere"

    def __init__(self, meant: str, own: Collection[str]) -> None:
        super().__init__(
            f"this request is for the gateway {spelled(meant)[:80]!r}, and this one is {', '.join(sorted(own))}",
            hint="have the Hive use one of these: `mosaic link gateway add`; or start the gateway with the address "
            "among its own, see `mosaic gateway serve --help`",
        )


@dataclass(frozen=True, slots=True)
class HiveRequest:
    """What is signed. `path` has its query, as it is sent; `gateway` is the host at which it is asked."""

    method: str
    path: str
    body: bytes = b""
    gateway: str = ""


def sign(seed: bytes, request: HiveRequest, *, now_seconds: int) -> dict[str, str]:
    """Return the headers that go with a request, signed with the Hive's 32-byte seed."""
    signature = signing.sign(seed, HIVE_REQUEST_CONTEXT, _message(request, str(now_seconds)))
    return {
        HIVE_HEADER: signing.public_key(seed),
        GATEWAY_HEADER: spelled(request.gateway),
        TIME_HEADER: str(now_seconds),
        SIGNATURE_HEADER: signature.hex(),
    }


def verify(headers: Mapping[str, str], request: HiveRequest, *, own: Collection[str], now_seconds: float) -> str:
    """Return the public key (hex) of the Hive that signed the request; whether it is a known one is the caller's.

    `own` are the names and addresses of the gateway that asks this; for which one the request is, its headers say.

    Raises HiveRequestUnsigned, HiveRequestElsewhere, HiveRequestLate.
    """
    key, time, gateway = (headers.get(name, "") for name in (HIVE_HEADER, TIME_HEADER, GATEWAY_HEADER))
    sent = replace(request, gateway=gateway)
    try:
        signature = bytes.fromhex(headers.get(SIGNATURE_HEADER, ""))
    except ValueError:
        raise HiveRequestUnsigned from None
    if not (time.isascii() and time.isdigit() and len(time) <= _TIME_DIGITS) or key != key.lower():
        raise HiveRequestUnsigned
    if not signing.verify(key, HIVE_REQUEST_CONTEXT, _message(sent, time), signature):
        raise HiveRequestUnsigned
    if spelled(gateway) not in {spelled(one) for one in own}:
        raise HiveRequestElsewhere(gateway, own)
    apart = abs(now_seconds - int(time))
    if apart > HIVE_REQUEST_SECONDS:
        raise HiveRequestLate(round(apart))
    return key


def spelled(host: str) -> str:
    """Return the one spelling of a host: a name without a dot at its end, or an address without brackets."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host.lower().removesuffix(".")


def _message(request: HiveRequest, time: str) -> bytes:
    body = hashlib.sha256(request.body).hexdigest()
    return "\n".join((spelled(request.gateway), request.method, request.path, time, body)).encode()
