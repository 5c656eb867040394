"""LAN mode: what an owner wants of a Device's own network, and how it is there."""

import msgspec


class LanWish(msgspec.Struct, frozen=True):
    """`https`: apps also have HTTPS, by an authority of the Device's own. `names`: open apps have names on the network.

    Nothing is reached from the network before its app is opened, whatever is wished here.
    """

    https: bool = False
    names: bool = False


class SetLan(msgspec.Struct, frozen=True):
    """Wish something else of a Device's network. What is None stays as it is."""

    https: bool | None = None
    names: bool | None = None


class LanState(msgspec.Struct, frozen=True):
    """How it is there. `addresses` are the machine's own on its owner's network, told only while an app is open to it.

    `https_port` is that of `https://<app>.localhost`, None without HTTPS; `root` (PEM) is whom to trust for it,
    and `problem` is why there is none though it is wished.
    """

    wish: LanWish = LanWish()
    addresses: list[str] = []
    https_port: int | None = None
    root: str = ""
    problem: str = ""
