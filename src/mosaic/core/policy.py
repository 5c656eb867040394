"""What an app may not ask for, and how its owner can grant it all the same.

`check` looks at a compose file whose variables are filled in, and returns
every finding at once. Lists of what is allowed are closed, so that anything
new is refused until somebody has thought about it. Mounts are judged in
`policy_mounts`, single service keys in `policy_service`, a link's in `link_service`.
"""

from collections.abc import Iterable, Sequence, Set
from shlex import quote

from mosaic.core.compose_document import Compose, Json, Section, as_mapping, is_true
from mosaic.core.compose_keys import NETWORK_KEYS, SECRET_KEYS, SERVICE_KEYS, TOP_KEYS, VOLUME_KEYS, is_link_image
from mosaic.core.errors import Refused
from mosaic.core.link_service import check_link
from mosaic.core.policy_finding import Finding
from mosaic.core.policy_mounts import check_file, check_mounts
from mosaic.core.policy_service import check_service_keys


class PolicyRefused(Refused):
    """The app asks for more than an app may. `findings` has all of it, `command` is what its owner grants it with."""

    code = "policy-refused"

    def __init__(self, findings: Sequence[Finding], *, command: str = "mosaic policy NAME", note: str = "") -> None:
        self.findings = tuple(findings)
        grants = sorted({finding.grant for finding in findings if finding.grant})
        # The keys come from the app: quoted, so that whoever pastes the line types nothing but words.
        asks = " ".join(f"--grant {quote(grant)}" for grant in grants)
        possible = grants and all(finding.grant for finding in findings)
        super().__init__(
            "the app asks for more than an app may: " + "; ".join(str(finding) for finding in findings) + note,
            hint=f"if you trust it: `{command} {asks}`" if possible else "the compose file must be changed",
        )


def check(compose: Compose, *, grants: Set[str] = frozenset()) -> list[Finding]:
    """Return everything that the app asks for and may not have, in the file's order.

    `grants` are what the owner granted this installation; each finding names
    the one that would allow it.
    """
    findings = [
        *_unknown_keys(compose.rest, TOP_KEYS, None),
        *(finding for name, service in compose.services.items() for finding in _check_service(name, service)),
        *_check_volumes(compose.volumes),
        *_check_networks(compose.networks),
        *_check_files("secrets", compose.secrets),
        *_check_files("configs", compose.configs),
    ]
    return [finding for finding in findings if finding.grant is None or finding.grant not in grants]


def require_allowed(compose: Compose, *, grants: Set[str] = frozenset()) -> None:
    """Return when the app may run.

    Raises:
        PolicyRefused: it asks for what was not granted; all of it is named.
    """
    findings = check(compose, grants=grants)
    if findings:
        raise PolicyRefused(findings)


def _check_service(name: str, service: dict[str, Json]) -> Iterable[Finding]:
    yield from _unknown_keys(service, SERVICE_KEYS, name)
    yield from check_service_keys(name, service)
    yield from check_mounts(name, service)
    if is_link_image(str(service.get("image"))):
        yield from check_link(name, service)


def _unknown_keys(entry: dict[str, Json], known: Set[str], service: str | None, prefix: str = "") -> Iterable[Finding]:
    for key in entry:
        if key not in known and not key.startswith("x-"):
            # Only a service's key can be granted: one at the top, like `include`, could bring in what nobody checked.
            reason = "is a key that Mosaic does not know, so it cannot say what the app would get"
            yield Finding(service, prefix + key, reason, f"key:{key}" if service else None)


def _check_volumes(volumes: Section) -> Iterable[Finding]:
    for name, volume in volumes.items():
        where = f"volumes.{name}."
        yield from _unknown_keys(volume, VOLUME_KEYS, None, where)
        driver = volume.get("driver")
        if driver not in (None, "local", ""):
            yield Finding(None, f"{where}driver", "asks for another volume driver: its data would not be replicated")
        if as_mapping(volume.get("driver_opts"), f"{where}driver_opts"):
            reason = "can make a volume of any path of the host; Mosaic keeps the data in a volume of its own"
            yield Finding(None, f"{where}driver_opts", reason)


def _check_networks(networks: Section) -> Iterable[Finding]:
    for name, network in networks.items():
        where = f"networks.{name}."
        yield from _unknown_keys(network, NETWORK_KEYS, None, where)
        if is_true(network.get("external")):
            reason = "joins a network of other apps or of the host"
            yield Finding(None, f"{where}external", reason, f"network:{name}")
        if network.get("driver") not in (None, "", "bridge", "default"):
            yield Finding(None, f"{where}driver", "puts the app on the host's own network", f"network:{name}")
        if as_mapping(network.get("driver_opts"), f"{where}driver_opts"):
            yield Finding(None, f"{where}driver_opts", "changes the host's network devices", f"network:{name}")


def _check_files(section: str, entries: Section) -> Iterable[Finding]:
    for name, entry in entries.items():
        where = f"{section}.{name}."
        yield from _unknown_keys(entry, SECRET_KEYS, None, where)
        for key in ("external", "driver", "template_driver"):
            if is_true(entry.get(key)):
                yield Finding(
                    None, where + key, "comes from outside the package, from somewhere that moves with no app"
                )
        if "environment" in entry:
            yield Finding(None, f"{where}environment", "reads the environment of the Device itself")
        if "file" in entry:
            yield from check_file(None, f"{where}file", entry["file"])
