"""What the program `wg` is told and what it prints (wg(8)). It speaks to the kernel, and to wireguard-go as well. Pure.

The private key goes through its input, as a file; public keys are in its words.
"""

import base64
from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network

from mosaic.adapters.wireguard.door import SeenInterface
from mosaic.core.errors import Corrupt
from mosaic.core.peers import SeenPeer, WantedPeer
from mosaic.core.public_key import KeyMalformed, PublicKey, parse
from mosaic.crypto.secret import Secret

PROGRAM = "wg"

REMOVED_AT_ONCE = 500
"""Peers are removed by words, and a program takes only so many."""

_NONE = "(none)"
_OFF = "off"
_INTERFACE_FIELDS, _PEER_FIELDS = 4, 8


class WgNotUnderstood(Corrupt):
    """The program `wg` prints something that is not its dump."""

    code = "wg-not-understood"

    def __init__(self) -> None:
        super().__init__(
            "the program `wg` did not print what it should", hint="is another program of that name first on the PATH?"
        )


def dump(name: str) -> list[str]:
    """Print all of an interface. What is printed is a secret."""
    return [PROGRAM, "show", name, "dump"]


def add_configuration(name: str) -> list[str]:
    """Take a configuration from the input and leave what it does not name."""
    return [PROGRAM, "addconf", name, "/dev/stdin"]


def remove(name: str, keys: Collection[PublicKey]) -> Iterator[list[str]]:
    """Remove peers, as few commands as take them."""
    every = sorted(keys)
    for start in range(0, len(every), REMOVED_AT_ONCE):
        words = [word for key in every[start : start + REMOVED_AT_ONCE] for word in ("peer", key, "remove")]
        yield [PROGRAM, "set", name, *words]


def configuration(*, private_key: Secret | None, listen_port: int | None, put: Iterable[WantedPeer]) -> bytes:
    """Return what adds all this. Its bytes are a secret if a private key is given."""
    lines = ["[Interface]"]
    if private_key is not None:
        lines.append(f"PrivateKey = {base64.b64encode(private_key.reveal()).decode()}")
    if listen_port is not None:
        lines.append(f"ListenPort = {listen_port}")
    for peer in put:
        networks = ", ".join(str(network) for network in peer.networks)
        lines += ["[Peer]", f"PublicKey = {peer.key}", f"AllowedIPs = {networks}"]
        if peer.endpoint is not None:
            lines.append(f"Endpoint = {peer.endpoint}")
        lines.append(f"PersistentKeepalive = {peer.keepalive_seconds}")
    return "\n".join([*lines, ""]).encode()


def read(printed: str) -> SeenInterface:
    """Return what a dump says. Raises WgNotUnderstood."""
    first, *rest = [line.split("\t") for line in printed.splitlines()] or [[]]
    if len(first) != _INTERFACE_FIELDS:
        raise WgNotUnderstood
    try:
        peers = [_peer(fields) for fields in rest]
        return SeenInterface(int(first[2]), first[0] != _NONE, {peer.key: peer for peer in peers})
    except (ValueError, KeyMalformed):
        # Not as its cause: the line may have the private key.
        raise WgNotUnderstood from None


def _peer(fields: list[str]) -> SeenPeer:
    if len(fields) != _PEER_FIELDS:
        raise WgNotUnderstood
    key, _, endpoint, networks, handshake, received, sent, keepalive = fields
    return SeenPeer(
        parse(key),
        frozenset(ip_network(network) for network in networks.split(",") if network != _NONE),
        None if endpoint == _NONE else endpoint,
        0 if keepalive == _OFF else int(keepalive),
        float(handshake) if int(handshake) else None,
        int(received),
        int(sent),
    )
