"""Whether the symbolic links of a package stay within it.

Each link is followed to its end, through every other link on the way, as the
kernel would: counting the `..` of one link alone is not enough, because a
folder that it passes through may be a link as well, and lie elsewhere than its
name says. The package is a set of names; no disk is looked at. What is harmless
there and refused all the same: a circle, a way out and back in, and a `..` too
many behind a name that is not in the package.
"""

from collections.abc import Iterable, Mapping

_MOST_STEPS = 256
"""How many names are walked for one link, those of the links that it passes included. Ends every loop."""

_LONGEST_PATH = 4095
_DEEPEST = 64
"""How many folders may be above an entry. Every one of them is looked up, so this bounds the work as well."""


def fault(names: Iterable[str], links: Mapping[str, str]) -> str | None:
    """Return a sentence about the first entry that may not be; None when every link stays in the package.

    `names` are all entries, the links among them; `links` says where each link
    points. Names are relative, without `.`, `..` or an empty part.
    """
    for name in names:
        if len(name) > _LONGEST_PATH:
            return f"{name[:80]}… is longer than a path may be"
        if name.count("/") > _DEEPEST:
            return f"{name[:80]}… lies below more than {_DEEPEST} folders"
        if (through := _link_above(name, links)) is not None:
            return f"{name} lies below {through}, which is a link"
    for name, target in links.items():
        if not target or "\0" in target or len(target) > _LONGEST_PATH:
            return f"{name} is a link to something that is no path"
        if (wrong := _follow(name, target, links)) is not None:
            return f"{name} is a link that {wrong}"
    return None


def _link_above(name: str, links: Mapping[str, str]) -> str | None:
    at = name.find("/")
    while at >= 0:
        if name[:at] in links:
            return name[:at]
        at = name.find("/", at + 1)
    return None


def _follow(name: str, target: str, links: Mapping[str, str]) -> str | None:
    """Walk a link to its end. Returns what is wrong with it, or None."""
    here = name.split("/")[:-1]
    ahead = [target]
    for _ in range(_MOST_STEPS):
        if not ahead:
            return None
        part, slash, rest = ahead.pop().partition("/")
        if slash and not part:
            return "leads out of the package"
        if rest := rest.lstrip("/"):
            ahead.append(rest)
        if part == "..":
            if not here:
                return "leads out of the package"
            here.pop()
        elif part not in ("", "."):
            here.append(part)
            path = "/".join(here)
            if len(path) > _LONGEST_PATH:
                return "leads to a path that is longer than one may be"
            if path in links:
                here.pop()
                ahead.append(links[path])
    return "leads in a circle, or through too many folders"
