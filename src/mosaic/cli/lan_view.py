"""An app's addresses and a Device's network in words."""

from collections.abc import Sequence

from mosaic.cli.output import printable
from mosaic.cli.verdict import holder_report
from mosaic.crypto.lan_authority import fingerprint
from mosaic.wire.api import Installation
from mosaic.wire.lan import LanState


def on_network(installation: Installation, device: str) -> list[str]:
    """Return where other machines of the network find an app, or how it is opened to them; nothing without a page."""
    report = holder_report(installation)
    if report is None or installation.wanted != "run":
        return []
    if report.network_urls:
        return list(report.network_urls)
    ports = [port.host_port for port in report.ports if port.protocol == "tcp"]
    if not ports or installation.open:
        return []
    return [f"http://{device}:{ports[0]} for other machines, once it is open: mosaic lan open {installation.name}"]


def in_words(device: str, state: LanState, apps: Sequence[Installation]) -> str:
    """Return how apps are found on the network of a Device."""
    lines = [f"{device}: HTTPS {_https(state)}, names on the network {'on' if state.wish.names else 'off'}."]
    if state.problem:
        lines.append(f"  {printable(state.problem)}")
    if state.root:
        lines += [
            f"  To have browsers trust it, install its root: mosaic lan root {device}",
            f"  Its SHA-256: {fingerprint_of(state.root)}",
        ]
    for app in apps:
        report = holder_report(app)
        here = [one for one in (report.url, report.secure_url) if one] if report is not None else []
        lines += ["", f"{app.name}: {'open to the network' if app.open else 'on this machine only'}"]
        lines += [f"  {printable(one)}" for one in [*here, *on_network(app, device)]]
    return "\n".join(lines)


def fingerprint_of(root: str) -> str:
    """Return the fingerprint of a root; "none" for what a Device told that is no certificate."""
    try:
        return fingerprint(root)
    except ValueError:
        return "none"


def _https(state: LanState) -> str:
    if not state.wish.https:
        return "off"
    return f"at port {state.https_port}" if state.https_port is not None else "not yet"
