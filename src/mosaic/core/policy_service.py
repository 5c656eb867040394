"""What single keys of a service may not say.

One small check for each key; the table at the end says which key has which.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mosaic.core.compose_document import Json, as_list, as_mapping, as_pairs, as_text, as_words, is_true
from mosaic.core.compose_keys import DEFAULT_CAPABILITIES, DEPLOY_KEYS, LINK_CAPABILITIES, is_link_image, is_tun
from mosaic.core.policy_finding import Finding
from mosaic.core.policy_mounts import check_volumes_from

Check: TypeAlias = Callable[[str, Json], Iterable[Finding]]

_NAMESPACED_SYSCTL = re.compile(r"^(net\..+|kernel\.(msg\w*|sem|shm\w*)|fs\.mqueue\..+)$")
_LOCAL_LOG_DRIVERS = ("", "json-file", "local", "journald", "none")


def check_service_keys(service: str, entry: Mapping[str, Json]) -> Iterable[Finding]:
    """Return what is wrong with every key of a service that can reach beyond the app (mounts excepted)."""
    for key, value in entry.items():
        if key == "cap_add":
            yield from _capabilities(service, value, link=is_link_image(str(entry.get("image"))))
        elif key == "devices":
            yield from _devices(service, value, link=is_link_image(str(entry.get("image"))))
        elif key in _CHECKS and value is not None:
            yield from _CHECKS[key](service, value)


def _capabilities(service: str, value: Json, *, link: bool) -> Iterable[Finding]:
    allowed = DEFAULT_CAPABILITIES | LINK_CAPABILITIES if link else DEFAULT_CAPABILITIES
    for word in as_words(as_list(value, f"cap_add of service {service}"), f"cap_add of service {service}"):
        name = word.strip().upper().removeprefix("CAP_")
        if name in allowed:
            continue
        if name == "ALL":
            yield Finding(service, "cap_add", "asks for ALL capabilities; an app must name the ones it needs")
        elif name in LINK_CAPABILITIES:
            reason = f"asks for {name}, which only a link image is granted"
            yield Finding(service, "cap_add", reason, f"capability:{name}")
        else:
            reason = f"asks for {name}, which no container has by default"
            yield Finding(service, "cap_add", reason, f"capability:{name}")


def _flag(key: str, reason: str, grant: str | None) -> Check:
    def check(service: str, value: Json) -> Iterable[Finding]:
        if is_true(value):
            yield Finding(service, key, reason, grant)

    return check


def _present(key: str, reason: str, grant: str | None) -> Check:
    def check(service: str, value: Json) -> Iterable[Finding]:
        if value not in ([], {}, ""):
            yield Finding(service, key, reason, grant)

    return check


def _namespace(key: str, *allowed: str, within_app: bool = True) -> Check:
    def check(service: str, value: Json) -> Iterable[Finding]:
        word = as_text(value, f"{key} of service {service}").strip()
        if word in allowed or (within_app and word.startswith("service:")):
            return
        if word == "host":
            yield Finding(service, key, f"shares the host's {_SHARED[key]}", f"host-{_SHORT[key]}")
        else:
            yield Finding(service, key, f"is {word!r}, which joins something that is not of this app")

    return check


def _network_mode(service: str, value: Json) -> Iterable[Finding]:
    if as_text(value, f"network_mode of service {service}").strip() in ("bridge", "default"):
        # Both mean the engine's own bridge, where every container that names no network is: not the app's default.
        reason = "joins the engine's own network, together with containers that are not of this app"
        yield Finding(service, "network_mode", reason, "bridge-network")
    else:
        yield from _namespace("network_mode", "none")(service, value)


_SHARED = {
    "network_mode": "network, past every port that Mosaic opens or keeps closed",
    "pid": "processes",
    "ipc": "shared memory",
    "uts": "host name",
    "userns_mode": "user ids",
    "cgroup": "control groups",
}
_SHORT = {
    "network_mode": "network",
    "pid": "pid",
    "ipc": "ipc",
    "uts": "uts",
    "userns_mode": "userns",
    "cgroup": "cgroup",
}


def _devices(service: str, value: Json, *, link: bool) -> Iterable[Finding]:
    for item in as_list(value, f"devices of service {service}"):
        if link and is_tun(item):
            continue
        source = item.get("source") if isinstance(item, dict) else as_text(item, "devices").split(":")[0]
        yield Finding(service, "devices", f"asks for the device {source} of the host", f"device:{source}")


def _security(service: str, value: Json) -> Iterable[Finding]:
    for word in as_words(value, f"security_opt of service {service}"):
        if word.replace("=", ":").split(":")[0] != "no-new-privileges":
            reason = f"asks for {word!r}; only no-new-privileges makes an app safer"
            yield Finding(service, "security_opt", reason, f"security:{word}")


def _sysctls(service: str, value: Json) -> Iterable[Finding]:
    for name in as_pairs(value, f"sysctls of service {service}"):
        if not _NAMESPACED_SYSCTL.match(name):
            yield Finding(service, "sysctls", f"sets {name} of the whole host", f"sysctl:{name}")


def _deploy(service: str, value: Json) -> Iterable[Finding]:
    deploy = as_mapping(value, f"deploy of service {service}")
    for key in deploy:
        if key not in DEPLOY_KEYS and not key.startswith("x-"):
            yield Finding(service, f"deploy.{key}", "is a key that Mosaic does not know")
    resources = as_mapping(deploy.get("resources"), f"deploy.resources of service {service}")
    for name, entry in resources.items():
        where = f"deploy.resources.{name} of service {service}"
        for key in ("devices", "generic_resources"):
            if as_mapping(entry, where).get(key):
                reason = "asks for devices of the host, such as its graphics cards"
                yield Finding(service, f"deploy.resources.{name}.{key}", reason, "device:gpu")


def _logging(service: str, value: Json) -> Iterable[Finding]:
    driver = as_mapping(value, f"logging of service {service}").get("driver")
    if str(driver or "") not in _LOCAL_LOG_DRIVERS:
        yield Finding(service, "logging", f"sends its logs away by {driver!r}; `mosaic logs` would be empty", "logging")


def _hooks(key: str) -> Check:
    def check(service: str, value: Json) -> Iterable[Finding]:
        for hook in as_list(value, f"{key} of service {service}"):
            if is_true(as_mapping(hook, f"{key} of service {service}").get("privileged")):
                yield Finding(service, key, "runs a privileged command", "privileged")

    return check


def _oom_score(service: str, value: Json) -> Iterable[Finding]:
    if as_text(value, f"oom_score_adj of service {service}").strip().startswith("-"):
        yield Finding(service, "oom_score_adj", "would have other programs killed first", "oom-score")


def _external_links(service: str, value: Json) -> Iterable[Finding]:
    for word in as_words(value, f"external_links of service {service}"):
        yield Finding(service, "external_links", f"links to {word}, which is not of this app")


_CHECKS: dict[str, Check] = {
    "privileged": _flag("privileged", "asks for the whole machine; ask for the capabilities it needs", "privileged"),
    "oom_kill_disable": _flag("oom_kill_disable", "could take all of the host's memory", "oom-kill-disable"),
    "network_mode": _network_mode,
    "pid": _namespace("pid"),
    "ipc": _namespace("ipc", "private", "shareable", "none"),
    "uts": _namespace("uts", within_app=False),
    "userns_mode": _namespace("userns_mode", "private", within_app=False),
    "cgroup": _namespace("cgroup", "private", within_app=False),
    "gpus": _present("gpus", "asks for the host's graphics cards", "device:gpu"),
    "device_cgroup_rules": _present("device_cgroup_rules", "asks for devices by number", "device-cgroup-rules"),
    "security_opt": _security,
    "sysctls": _sysctls,
    "cgroup_parent": _present("cgroup_parent", "leaves the control group that Mosaic stops it by", None),
    "credential_spec": _present("credential_spec", "reads credentials of the host", None),
    "runtime": _present("runtime", "asks for another container runtime", "runtime"),
    "isolation": _present("isolation", "is for Windows", None),
    "storage_opt": _present("storage_opt", "sets options of the host's storage", "storage-opt"),
    "volumes_from": check_volumes_from,
    "deploy": _deploy,
    "logging": _logging,
    "post_start": _hooks("post_start"),
    "pre_stop": _hooks("pre_stop"),
    "oom_score_adj": _oom_score,
    "external_links": _external_links,
}
