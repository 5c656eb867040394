"""The variables that publishing fills in where an image is named, and nowhere else.

${REGISTRY}   where this publishing pushes to, namespace included: `registry.example.org/team`
${FACTORY}    the namespace alone: `team`
${TAG}        the tag of what it builds: the short commit
"""

_UNKNOWN = "registry.invalid/factory"


def variables_for_images(registry: str, tag: str) -> dict[str, str]:
    """Return them for a registry with its namespace, and a tag."""
    return {"REGISTRY": registry, "FACTORY": registry.partition("/")[2], "TAG": tag}


def names_for_own_images() -> dict[str, str]:
    """Return what stands for them where nothing is published: names that no registry has."""
    return variables_for_images(_UNKNOWN, "latest")
