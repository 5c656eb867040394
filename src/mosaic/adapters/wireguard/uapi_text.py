"""The text that is spoken on the UAPI socket of wireguard-go: lines `key=value`, keys in hex, an empty line at the end.

Its source is wireguard.com/xplatform, "Cross-platform userspace implementation".
Pure. A `set` is carried out line by line: one that fails half way has changed what came before.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network

from mosaic.adapters.wireguard.door import SeenInterface
from mosaic.core.errors import Corrupt
from mosaic.core.peers import Network, SeenPeer, WantedPeer
from mosaic.core.public_key import KeyMalformed, PublicKey, of_hex, to_hex
from mosaic.crypto.secret import Secret

GET = b"get=1\n\n"
END = b"\n\n"
"""Each answer ends so, and has it nowhere else."""

_ERRNO = re.compile(r"errno=-?(\d{1,9})", re.ASCII)


class UapiNotUnderstood(Corrupt):
    """What answers at a WireGuard socket does not speak its protocol."""

    code = "uapi-not-understood"

    def __init__(self, line: str) -> None:
        # Of a line nothing but its key: the value may be the private one.
        super().__init__(
            f"the answer of a WireGuard socket has a line {line.partition('=')[0][:40]!r} that does not belong there",
            hint="is another program listening at the socket of wireguard-go?",
        )


def words(
    *,
    private_key: Secret | None = None,
    listen_port: int | None = None,
    put: Iterable[WantedPeer] = (),
    removed: Collection[PublicKey] = (),
) -> bytes:
    """Return what sets all this. Its bytes are a secret if a private key is given."""
    lines = ["set=1"]
    if private_key is not None:
        lines.append(f"private_key={private_key.reveal().hex()}")
    if listen_port is not None:
        lines.append(f"listen_port={listen_port}")
    for key in sorted(removed):
        lines += [f"public_key={to_hex(key)}", "remove=true"]
    for peer in put:
        lines += _peer(peer)
    return "\n".join([*lines, "", ""]).encode()


def _peer(peer: WantedPeer) -> Iterator[str]:
    yield f"public_key={to_hex(peer.key)}"
    if peer.endpoint is not None:
        yield f"endpoint={peer.endpoint}"
    yield "replace_allowed_ips=true"
    for network in peer.networks:
        yield f"allowed_ip={network}"
    # Last: when it is turned on, a handshake begins at once, and by then the endpoint has to be there.
    yield f"persistent_keepalive_interval={peer.keepalive_seconds}"


def failure(answer: bytes) -> int:
    """Return the error number of errno(3) that an answer ends with, 0 for none. Raises UapiNotUnderstood."""
    last = _text(answer).rstrip("\n").rpartition("\n")[2]
    found = _ERRNO.fullmatch(last)
    if found is None:
        raise UapiNotUnderstood(last)
    return int(found[1])


def reason(number: int) -> str:
    """Return the words for an error number."""
    return os.strerror(number)


def read(answer: bytes) -> SeenInterface:
    """Return what an answer to GET says; keys that it does not know are passed over. Raises UapiNotUnderstood."""
    listen_port, has_key = 0, False
    peers: dict[PublicKey, SeenPeer] = {}
    fields: dict[str, str] = {}
    networks: list[Network] = []
    for line in _text(answer).split("\n"):
        key, _, value = line.partition("=")
        try:
            if key == "public_key":
                _close(peers, fields, networks)
                fields, networks = {key: value}, []
            elif key == "allowed_ip":
                networks.append(ip_network(value))
            elif key == "private_key":
                has_key = value.strip("0") != ""
            elif key == "listen_port":
                listen_port = int(value)
            else:
                fields[key] = value
        except (ValueError, KeyMalformed) as error:
            raise UapiNotUnderstood(line) from error
    try:
        _close(peers, fields, networks)
    except (ValueError, KeyMalformed) as error:
        raise UapiNotUnderstood("public_key") from error
    return SeenInterface(listen_port, has_key, peers)


def _close(peers: dict[PublicKey, SeenPeer], fields: dict[str, str], networks: list[Network]) -> None:
    """Put the peer that these fields are of, if they are of one."""
    if "public_key" not in fields:
        return
    key = of_hex(fields["public_key"])
    seconds = int(fields.get("last_handshake_time_sec", "0"))
    handshake = seconds + int(fields.get("last_handshake_time_nsec", "0")) / 1e9
    peers[key] = SeenPeer(
        key,
        frozenset(networks),
        fields.get("endpoint"),
        int(fields.get("persistent_keepalive_interval", "0")),
        handshake if seconds else None,
        int(fields.get("rx_bytes", "0")),
        int(fields.get("tx_bytes", "0")),
    )


def _text(answer: bytes) -> str:
    return answer.decode(errors="replace")
