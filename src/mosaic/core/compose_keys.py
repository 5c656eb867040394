"""Every key of a compose file that Mosaic knows, and what becomes of it.

The lists are closed: a key that is in none of them is refused, so that one
that a later compose invents cannot slip by. `x-…` keys mean nothing to compose
and are left out.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEPT = _words("""
    annotations attach cap_drop command configs cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime
    cpu_shares cpus cpuset depends_on dns dns_opt dns_search domainname entrypoint environment expose extra_hosts
    group_add healthcheck hostname image init labels links mac_address mem_limit mem_reservation mem_swappiness
    memswap_limit networks pids_limit platform read_only scale secrets shm_size stdin_open stop_grace_period
    stop_signal tmpfs tty ulimits user working_dir
    """)
"""Service keys that an app may use as it likes; some are rewritten, none is refused."""

CHECKED = _words("""
    cap_add cgroup cgroup_parent credential_spec deploy device_cgroup_rules devices env_file extends
    external_links gpus ipc isolation label_file logging network_mode oom_kill_disable oom_score_adj pid
    post_start pre_stop privileged runtime security_opt storage_opt sysctls use_api_socket userns_mode uts
    volumes volumes_from
    """)
"""Service keys that can reach beyond the app: `policy` looks at each of them."""

REPLACED = _words("build container_name develop ports profiles pull_policy pull_refresh_after restart")
"""Service keys that Mosaic decides itself, whatever they say."""

SERVICE_KEYS = KEPT | CHECKED | REPLACED

TOP_KEYS = frozenset(["name", "version"])
"""Top-level keys beside the sections; both are replaced."""

VOLUME_KEYS = frozenset(["driver", "driver_opts", "external", "labels", "name"])
NETWORK_KEYS = _words("attachable driver driver_opts enable_ipv4 enable_ipv6 external internal ipam labels name")
SECRET_KEYS = _words("content driver environment external file labels name template_driver")

DEPLOY_KEYS = _words("""
    endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config
    """)

DEFAULT_CAPABILITIES = _words("""
    AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP
    SETUID SYS_CHROOT
    """)
"""What an engine gives every container anyway."""

LINK_IMAGES = frozenset(["fractalnetworks/link", "mosaic/link"])
"""The images that may run a link, as repositories of the default registry; the only ones granted NET_ADMIN."""

LINK_CAPABILITIES = frozenset(["NET_ADMIN"])

TUN = "/dev/net/tun"
"""The device that tunnels are made with; granted to link images alone."""


def is_link_image(image: str) -> bool:
    """Whether an image reference names a link image, at any tag or digest."""
    repository = image.partition("@")[0]
    name, colon, tag = repository.rpartition(":")
    if colon and "/" not in tag:
        repository = name
    for prefix in ("docker.io/", "index.docker.io/"):
        repository = repository.removeprefix(prefix)
    return repository in LINK_IMAGES


def is_tun(device: object) -> bool:
    """Whether an entry of `devices`, short or long, is the one of tunnels, under its own name."""
    if isinstance(device, dict):
        return device.get("source") == TUN and device.get("target", TUN) == TUN
    source, _, rest = str(device).partition(":")
    return source == TUN and rest.partition(":")[0] in ("", TUN)
