"""A package in lines for people, before they install it or sign it."""

from mosaic.cli.output import printable
from mosaic.cli.units import size
from mosaic.packager.attaching import Attached
from mosaic.packager.sbom import CYCLONEDX, SPDX
from mosaic.packager.showing import Shown
from mosaic.packager.signature import ARTIFACT_TYPE as SIGNATURE


def lines_of(found: Shown, *, files: bool = False) -> list[str]:
    """Return what there is to say of a package; with `files` each of them too. No line can hide another."""
    return [printable(line) for line in _lines(found, files=files)]


def _lines(found: Shown, *, files: bool) -> list[str]:
    lines = [f"{found.name or 'an app without a name'} {found.digest}"]
    content = f", {size(found.content_bytes)} unpacked" if found.content_bytes is not None else ""
    lines.append(f"  bundle:   {size(found.bundle_bytes)}{content}")
    lines += [f"  image:    {service}: {image}" for service, image in (found.images or {}).items()]
    lines += [f"  fetches:  {size(count)} for {name}" for name, count in (found.download_bytes or {}).items()]
    lines += [f"  asks for: {ask}" for ask in found.asks]
    if found.variables:
        lines.append(f"  needs:    a value of {', '.join(found.variables)}")
    lines += [f"  problem:  {problem}" for problem in found.problems]
    lines += [f"  beside:   {_kind(one)}, {one.digest}" for one in found.attached or ()]
    if files:
        lines += [f"  {one.path}" + (f" → {one.target}" if one.target else "") for one in found.files or ()]
    return lines


def _kind(one: Attached) -> str:
    known = {SPDX: "SBOM (SPDX)", CYCLONEDX: "SBOM (CycloneDX)", SIGNATURE: "signature"}
    kind = known.get(one.artifact_type, one.artifact_type)
    match one.is_signed:
        case None:
            return kind
        case True:
            return f"{kind} by the key that was given"
        case False:
            return f"{kind}, and not by the key that was given"
