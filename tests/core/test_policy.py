"""What an app may not ask for: each finding names the service, the key, the reason and the grant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.app import open_app
from mosaic.core.compose_document import ComposeInvalid, Json, read_compose
from mosaic.core.errors import Refused
from mosaic.core.policy import PolicyRefused, check
from mosaic.core.policy_finding import Finding


def findings(
    service: dict[str, Json], grants: frozenset[str] = frozenset(), top: dict[str, Json] | None = None
) -> list[Finding]:
    web: dict[str, Json] = {"image": "web", **service}
    return check(read_compose({"services": {"web": web}, **(top or {})}), grants=grants)


REFUSED: list[tuple[str, Json]] = [
    ("privileged", True),
    ("privileged", "true"),
    ("privileged", "anything"),
    ("network_mode", "host"),
    ("network_mode", "container:other"),
    ("network_mode", "bridge"),
    ("network_mode", "default"),
    ("pid", "host"),
    ("ipc", "host"),
    ("uts", "host"),
    ("uts", "service:web"),
    ("userns_mode", "host"),
    ("cgroup", "host"),
    ("cap_add", ["ALL"]),
    ("cap_add", ["cap_sys_admin"]),
    ("cap_add", ["NET_ADMIN"]),
    ("devices", ["/dev/fuse"]),
    ("devices", [{"source": "/dev/fuse", "target": "/dev/fuse"}]),
    ("gpus", "all"),
    ("device_cgroup_rules", ["c 1:1 rwm"]),
    ("security_opt", ["apparmor=unconfined"]),
    ("security_opt", ["label:disable"]),
    ("sysctls", ["kernel.panic=1"]),
    ("cgroup_parent", "/"),
    ("credential_spec", {"file": "x"}),
    ("runtime", "sysbox"),
    ("isolation", "hyperv"),
    ("storage_opt", {"size": "1G"}),
    ("volumes_from", ["container:other"]),
    ("deploy", {"resources": {"reservations": {"devices": [{"driver": "nvidia"}]}}}),
    ("deploy", {"brand_new": 1}),
    ("logging", {"driver": "syslog"}),
    ("post_start", [{"command": "x", "privileged": True}]),
    ("pre_stop", [{"command": "x", "privileged": "yes"}]),
    ("oom_score_adj", -500),
    ("oom_kill_disable", True),
    ("external_links", ["other:db"]),
    ("use_api_socket", True),
    ("extends", {"file": "other.yml", "service": "x"}),
    ("env_file", "../secret.env"),
    ("env_file", [{"path": "/etc/passwd"}]),
    ("volumes", ["/mnt/media:/media"]),
    ("volumes", ["~/.ssh:/ssh"]),
    ("volumes", ["./a/../../b:/b"]),
    ("volumes", [{"type": "bind", "source": "../x", "target": "/x"}]),
    ("volumes", [{"type": "npipe", "source": "x", "target": "/x"}]),
    ("brand_new_key", 1),
]


@pytest.mark.parametrize(("key", "value"), REFUSED)
def test_what_reaches_beyond_the_app_is_refused(key: str, value: Json) -> None:
    (finding,) = findings({key: value})
    assert finding.service == "web"
    assert finding.key.startswith(key)
    assert finding.reason
    if finding.grant is not None:
        assert findings({key: value}, frozenset([finding.grant])) == []


@pytest.mark.parametrize(
    "source",
    [
        "/var/run/docker.sock",
        "/run/docker.sock",
        "//var//run/./docker.sock",
        "/var/run/../run/docker.sock",
        "/var/run",
        "/run/",
        "/",
        "/var",
        "/proc/1/root/mnt",
        "/home/me/docker.sock",
        "/var/lib/docker/volumes",
    ],
)
def test_the_engines_socket_is_recognised_however_it_is_spelled(source: str) -> None:
    mounts: list[Json] = [f"{source}:/x", {"type": "bind", "source": source, "target": "/x", "read_only": True}]
    for mount in mounts:
        (finding,) = findings({"volumes": [mount]})
        assert finding.grant is not None and finding.grant.startswith("docker-socket:")
        assert findings({"volumes": [mount]}, frozenset([f"path:{source}"])) == [finding]


@pytest.mark.parametrize(
    "service",
    [
        {"cap_add": ["CHOWN", "cap_net_bind_service"], "cap_drop": ["ALL"]},
        {"privileged": False, "network_mode": "service:web", "pid": "service:web", "ipc": "shareable"},
        {"security_opt": ["no-new-privileges:true"], "sysctls": {"net.ipv4.ip_forward": 1, "kernel.shmmax": 1}},
        {"volumes": ["./conf:/conf:ro", "data:/data", "/anonymous", {"type": "tmpfs", "target": "/t"}]},
        {"volumes_from": ["web"], "tmpfs": ["/run"], "env_file": ["a.env"], "logging": {"driver": "local"}},
        {"x-anything": {"privileged": True}, "deploy": {"resources": {"limits": {"cpus": "1"}}, "x-a": 1}},
        {"oom_score_adj": 100, "post_start": [{"command": "x"}], "gpus": [], "userns_mode": None},
    ],
)
def test_what_stays_within_the_app_is_allowed(service: dict[str, Json]) -> None:
    assert findings(service) == []


def test_only_a_link_image_is_granted_net_admin() -> None:
    def asks(image: str) -> list[Finding]:
        return findings({"image": image, "cap_add": ["NET_ADMIN"]})

    for image in ("fractalnetworks/link:latest", "docker.io/mosaic/link", "mosaic/link@sha256:" + "a" * 64):
        assert asks(image) == []
    for image in ("evil/link", "registry.example:5000/mosaic/link", "mosaic/link-helper", "mosaic/linked:link"):
        assert len(asks(image)) == 1


def test_only_a_link_image_is_granted_the_device_of_tunnels_and_that_one_alone() -> None:
    def asks(image: str, device: Json) -> list[Finding]:
        return findings({"image": image, "devices": [device]})

    allowed: list[Json] = ["/dev/net/tun", "/dev/net/tun:/dev/net/tun:rwm", {"source": "/dev/net/tun"}]
    for device in allowed:
        assert asks("mosaic/link", device) == []
        assert len(asks("evil/link", device)) == 1
    for device in ("/dev/kvm", "/dev/net/tun:/dev/kmsg", "/dev/net"):
        assert len(asks("mosaic/link", device)) == 1


def test_top_level_keys_are_looked_at_too() -> None:
    asked: list[dict[str, Json]] = [
        {"include": ["other.yml"]},
        {"volumes": {"v": {"driver": "nfs"}}},
        {"volumes": {"v": {"driver_opts": {"device": "/etc"}}}},
        {"volumes": {"v": {"brand_new": 1}}},
        {"networks": {"n": {"external": True}}},
        {"networks": {"n": {"driver": "macvlan"}}},
        {"networks": {"n": {"driver_opts": {"parent": "eth0"}}}},
        {"secrets": {"s": {"file": "/etc/shadow"}}},
        {"secrets": {"s": {"external": True}}},
        {"secrets": {"s": {"environment": "HOME"}}},
        {"configs": {"c": {"file": "../x"}}},
    ]
    for top in asked:
        (finding,) = findings({}, top=top)
        assert finding.service is None
        assert next(iter(top)) in finding.key


def test_everything_is_found_at_once_and_the_hint_grants_it() -> None:
    with pytest.raises(PolicyRefused) as refused:
        open_app(
            {"services": {"a": {"image": "a", "privileged": True}, "b": {"image": "b", "pid": "host"}}}, variables={}
        )
    assert len(refused.value.findings) == 2
    assert refused.value.hint.endswith("--grant host-pid --grant privileged`")
    with pytest.raises(PolicyRefused) as refused:
        open_app({"services": {"a": {"image": "a"}}, "include": ["x"]}, variables={})
    assert "changed" in refused.value.hint


def test_a_variable_cannot_hide_what_is_asked_for() -> None:
    asks = {"services": {"a": {"image": "a", "volumes": ["${WHERE:-/var/run}/docker.sock:/s"]}}}
    with pytest.raises(PolicyRefused):
        open_app(asks, variables={})


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("host"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
service_keys = st.sampled_from([key for key, _ in REFUSED] + ["image", "ports", "labels", "environment", "networks"])


@given(
    st.dictionaries(service_keys, plain, max_size=4), st.dictionaries(st.sampled_from(["volumes", "networks"]), plain)
)
def test_no_file_however_odd_ends_in_anything_but_a_refusal(service: dict[str, Json], top: dict[str, Json]) -> None:
    try:
        open_app({"services": {"web": {"image": "web", **service}}, **top}, variables={})
    except Refused as refused:
        assert refused.hint


@given(plain)
def test_what_is_no_compose_file_is_refused(document: object) -> None:
    with pytest.raises(ComposeInvalid) as refused:
        open_app(document, variables={})
    assert refused.value.hint
