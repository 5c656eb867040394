"""What an app's file may say of its link: variables of the link's contract, and mounts that are not over its program.

A link has NET_ADMIN and the device of tunnels, and the program in it is Mosaic's.
So nothing of the file may put another program in its place: by a variable that
says what is run or loaded (PATH, LD_PRELOAD, PYTHONPATH), by a mount, or by a
command that is run in its container. The lists are closed.

Variables that are none of a link's are left out, and named in the link's log:
files that were written for another program of that name have some, and run all
the same. Everything else is refused, for without it the app would not be what its file says.
"""

from collections.abc import Iterable, Mapping
from posixpath import join, normpath

from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_list, as_pairs, as_text, as_words
from mosaic.core.compose_keys import is_link_image
from mosaic.core.compose_mounts import TmpfsMount, read_mounts
from mosaic.core.ids import ServiceName
from mosaic.core.link_variables import LEFT_OUT, TOKENS, VARIABLES
from mosaic.core.policy_finding import Finding

LINK_DATA = "/root/.local/share/caddy"
"""Where a link keeps its certificates: the link's volume is mounted there, whether the file says so or not."""

NO_TOKEN = "none"  # noqa: S105 (the word for there being none)

_HARMLESS = frozenset(["LANG", "LC_ALL", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ"])

_PROGRAMS = (
    "bin", "boot", "code", "dev", "etc", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root", "run", "sbin", "sys",
    "usr", "var",
)  # fmt: skip
"""Folders of the image in which its program lies, what that runs and loads, and what it is told by."""

_PLACES = (LINK_DATA, "/etc/localtime", "/etc/timezone", "/root/.config/caddy")
_BELOW = ("/run/secrets/", "/var/run/secrets/", "/etc/caddy/", "/var/log/")
"""What may be mounted within them all the same; no program reads anything to run there."""

_MOST_NAMED = 20


def link_variables(said: Mapping[str, Json]) -> dict[str, Json]:
    """Return the variables of a file that its link gets, with LEFT_OUT where there are others."""
    kept = {name: value for name, value in said.items() if name in VARIABLES or name in _HARMLESS}
    others = left_out(said)
    if not others:
        return kept
    named = [name[:60] if name.isprintable() else "?" for name in others[:_MOST_NAMED]]
    more = len(others) - len(named)
    return {**kept, LEFT_OUT: ", ".join([*named, *([f"and {more} more"] if more else [])])}


def left_out(said: Mapping[str, Json]) -> list[str]:
    """Return the variables of a file that its link does not get."""
    return sorted(name for name in said if name not in VARIABLES and name not in _HARMLESS)


def check_link(service: str, entry: Mapping[str, Json]) -> Iterable[Finding]:
    """Return what a link's service may not say. No grant allows any of it."""
    if as_list_of_any(entry.get("env_file")):
        reason = "reads variables unseen, and a link gets those of its own alone; write them under `environment:`"
        yield Finding(service, "env_file", reason)
    if as_list(entry.get("volumes_from"), f"volumes_from of service {service}"):
        yield Finding(service, "volumes_from", "could mount something over the link's program; name each volume")
    filled = [
        mount.target
        for mount in read_mounts(ServiceName(service), entry.get("volumes"))
        if not isinstance(mount, TmpfsMount)
    ]
    targets = [("volumes", mount.target) for mount in read_mounts(ServiceName(service), entry.get("volumes"))]
    targets += [("tmpfs", _normal(word.partition(":")[0])) for word in as_words(entry.get("tmpfs"), "tmpfs")]
    for key, default in (("secrets", "/run/secrets"), ("configs", "/")):
        files = [_file_target(item, default, f"{key} of service {service}") for item in as_list_of_any(entry.get(key))]
        targets += [(key, target) for target in files]
        filled += files
    for key, target in targets:
        if target in filled and not _may_lie_at(target):
            reason = f"mounts something at {target}, where the link's own program lies or is told what to run"
            yield Finding(service, key, f"{reason}; its certificates are at {LINK_DATA}")
        # A link within what is mounted first would lead the second elsewhere.
        elif any(target != other and _is_within(target, other) for other in filled):
            yield Finding(service, key, f"mounts something at {target}, within what else is mounted; mount them apart")


def require_one_link(compose: Compose, *, token: str) -> None:
    """Return when no two links of an app would show one token: each would end what the other began.

    `token` is the platform's, which a link without one of its own is given.

    Raises:
        ComposeInvalid: two would.
    """
    shown: dict[str, str] = {}
    for name, service in compose.services.items():
        if not is_link_image(str(service["image"])):
            continue
        own = own_token(as_pairs(service.get("environment"), f"environment of service {name}"), token)
        other = shown.setdefault(own, name)
        if other != name:
            raise ComposeInvalid(
                f"the services {other} and {name} are two links with one token, and only one of them would be reached",
                hint=f"keep {other} and write all into its EXPOSE, as in "
                '"web:80, files.example.com=files:80", or give the other a TOKEN of its own',
            )


def require_no_link(compose: Compose, service: ServiceName, where: str) -> None:
    """Return unless a service in which an app wants to run something is a link. Raises ComposeInvalid."""
    if is_link_image(str(compose.services[service]["image"])):
        raise ComposeInvalid(
            f"{where} names the service {service}, which is a link, and nothing of an app runs in one",
            hint="name another service, whose volumes and networks it needs",
        )


def own_token(said: Mapping[str, Json], platforms: str) -> str:
    """Return which token a link's file says, or in which file that is; "" where it is the platform's, or none."""
    for name in TOKENS:
        for variable in (name, f"{name}_FILE"):
            text = _text(said.get(variable))
            if text not in ("", NO_TOKEN, platforms):
                return text
    return ""


def as_list_of_any(value: Json) -> list[Json]:
    """Return a list as it is, one thing as a list of it, and nothing as none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _file_target(item: Json, default: str, where: str) -> str:
    if not isinstance(item, dict):
        return _normal(join(default, as_text(item, where)))
    return _normal(join(default, as_text(item.get("target") or item.get("source"), where)))


def _may_lie_at(target: str) -> bool:
    if target in _PLACES or any(target.startswith(folder) for folder in _BELOW):
        return True
    return target.split("/")[1] not in ("", *_PROGRAMS)


def _is_within(path: str, folder: str) -> bool:
    return (path + "/").startswith(folder.rstrip("/") + "/")


def _normal(path: str) -> str:
    # normpath keeps two leading slashes.
    return normpath(path).replace("//", "/")


def _text(value: Json) -> str:
    return "" if value is None else str(value).strip()
