"""What becomes of a link's service: Mosaic's own link runs, whatever image of that name the app brings.

How the app wants to be served stays as its file says it: EXPOSE, names, guards; nothing else of its variables is
passed on (`link_service`).
What the program needs is Mosaic's to say. With a public way it is told the
gateway, the epoch and whom to trust there, and may make a tunnel; without one it
is in LAN mode, and has no privilege at all. A file that brings a token of its own
speaks for itself, to a gateway of its owner's choice.

Our token is shown to our gateway alone: `LINK_GATEWAY` counts before the
`FRACTAL_API` of a compose file (`link_settings`), and is always said with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mosaic.core.compose_document import Json, as_list, as_mapping, as_pairs
from mosaic.core.compose_keys import LINK_CAPABILITIES, TUN, is_tun
from mosaic.core.ids import ServiceName
from mosaic.core.link_service import link_variables, own_token
from mosaic.core.link_variables import TOKENS
from mosaic.core.render_service import RESTART_LABEL

LINK_LABEL = "mosaic.link"
"""`yes` on a link: how it does says nothing about how the app does."""

_OF_ANOTHER_PROGRAM = frozenset(
    ["command", "entrypoint", "healthcheck", "post_start", "pre_stop", "scale", "stop_signal", "working_dir"]
)
"""Keys that speak of the program in the image that was named, which is not the one that runs.

There is one of it, however many the file wants: of two with one token the later ends what the earlier began.
"""


@dataclass(frozen=True, slots=True)
class PublicWay:
    """How an app is reached from anywhere: one name or more, and what its link shows and asks.

    The first of `names` is the one that the app is told. `certificate` (PEM) is
    what is trusted at `gateway` (a URL), "" for the public authorities. `epoch` (`term.n`) says which of two Devices
    came to have the app later.
    """

    names: tuple[str, ...]
    token: str = field(repr=False)
    gateway: str
    certificate: str = ""
    epoch: str = "0.0"


def render_link(
    name: ServiceName, service: Mapping[str, Json], *, way: PublicWay | None, has_tun: bool
) -> dict[str, Json]:
    """Return a link's service as it runs. `has_tun`: the machine has the device of tunnels."""
    rendered = {key: value for key, value in service.items() if key not in _OF_ANOTHER_PROGRAM}
    said = as_pairs(service.get("environment"), f"environment of service {name}")
    is_own = own_token(said, way.token if way is not None else "") != ""
    rendered["environment"] = link_variables(said) | ({} if is_own else _told(said, way))
    if "deploy" in rendered:
        deploy = as_mapping(rendered["deploy"], f"deploy of service {name}")
        rendered["deploy"] = {key: value for key, value in deploy.items() if key != "replicas"}
    may_tunnel = is_own or way is not None
    labels = as_mapping(service.get("labels"), f"labels of service {name}")
    rendered["labels"] = {**labels, LINK_LABEL: "yes", RESTART_LABEL: "yes"}
    capabilities = as_list(service.get("cap_add"), f"cap_add of service {name}")
    devices = as_list(service.get("devices"), f"devices of service {name}")
    lists: dict[str, list[Json]] = {
        "cap_add": [word for word in capabilities if not _is_of_links(word)],
        "devices": [each for each in devices if not is_tun(each)],
    }
    if may_tunnel:
        lists["cap_add"] += sorted(LINK_CAPABILITIES)
        lists["devices"] += [f"{TUN}:{TUN}"] if has_tun else []
    kept = {key: value for key, value in rendered.items() if key not in lists}
    return {**kept, **{key: entries for key, entries in lists.items() if entries}}


def without_waiting(service: Mapping[str, Json], links: frozenset[ServiceName]) -> dict[str, Json]:
    """Return a service that waits for no link to be healthy: a gateway that is away must hold up no app."""
    waits = service.get("depends_on")
    if not isinstance(waits, dict) or not links & waits.keys():
        return dict(service)
    started: Json = {"condition": "service_started"}
    return {**service, "depends_on": {other: started if other in links else how for other, how in waits.items()}}


def _told(said: Mapping[str, Json], way: PublicWay | None) -> dict[str, Json]:
    if way is None:
        return {"LINK_MODE": "lan"}
    tokens = [name for name in TOKENS if name in said] or TOKENS[:1]
    return {
        **dict.fromkeys(tokens, way.token),
        "LINK_GATEWAY": way.gateway,
        # Said even where it is empty: one that the file brings is for another gateway.
        "LINK_GATEWAY_CA": way.certificate,
        "LINK_EPOCH": way.epoch,
        # The LAN goes on as without a gateway, and the gate of an update asks there.
        "LINK_LAN": "80",
    }


def _is_of_links(word: Json) -> bool:
    return str(word).strip().upper().removeprefix("CAP_") in LINK_CAPABILITIES
