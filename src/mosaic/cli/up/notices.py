"""What `mosaic up` says to a person. Text only."""

import shutil
import sys
from pathlib import Path

from mosaic.cli.verdict import address, holder_report
from mosaic.core.errors import Refused
from mosaic.wire.api import Installation


class NothingHere(Refused):
    """No `mosaic up` has made that state folder."""

    code = "nothing-here"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"no Mosaic runs on {state}",
            hint="start `mosaic up` first, or name its folder with `--state`; "
            "for another machine run `mosaic device add` without `--here`",
        )


_STAYS = "All of it stays when this command ends, and starts with the machine; `systemctl status 'mosaic-*'` shows it."


def secrets_notice(account: str, *, password: str | None, passphrase: str | None, recovery_code: str) -> str:
    """Return the block that is shown once. What the person chose is not repeated."""
    rows = [("account", account), ("password", password), ("passphrase", passphrase), ("recovery code", recovery_code)]
    lines = [f"  {name + ':':<15}{value}" for name, value in rows if value is not None]
    return "\n".join(
        [
            "",
            "Write these down now. They are shown once and kept nowhere:",
            "",
            *lines,
            "",
            "The password logs in and can be reset. The passphrase unlocks the data: without it and without",
            "the recovery code nobody can read the data again, you included.",
            "",
        ]
    )


def console_only(url: str, setup_code: str | None) -> str:
    """Return what is said before there is an account, or where this command line is not logged in."""
    if setup_code is not None:
        return "\n".join(
            [
                "",
                f"Open {url} and set the Hive up with this code (it works once):",
                "",
                f"  set-up code:  {setup_code}",
                "",
                "Then add this machine as a Device, in another terminal:",
                "",
                f"  {program()} login {url}",
                f"  {program()} device add --here",
                "",
            ]
        )
    return "\n".join(
        [
            "",
            f"Console: {url}",
            "",
            "This user's command line is not logged in to it, or this machine is not a Device of it yet:",
            "",
            f"  {program()} login {url}",
            f"  {program()} device add --here",
            "",
        ]
    )


def console_line(url: str, account: str) -> str:
    """Return where the Console is."""
    return f"\nConsole:  {url}   (log in as {account})"


def apps_and_next(apps: list[Installation], *, by_systemd: bool) -> str:
    """Return the apps' addresses, three commands to try, and how all of it is stopped."""
    lines = [line for app in apps for line in _app(app)]
    first = apps[0].name if apps else "notes"
    lines += [
        "",
        "To try next, in another terminal:",
        f"  {program()} apps",
        f"  {program()} device run --name attic --state /var/lib/mosaic-attic",
        f"  {program()} move {first} --to attic",
        "",
        _STAYS if by_systemd else "Ctrl-C stops everything; the next start finds it as it was.",
    ]
    return "\n".join(lines)


def program() -> str:
    """Return how this program is called here: as short as it works."""
    called = Path(sys.prefix) / "bin" / "mosaic"
    found = shutil.which("mosaic")
    if found is not None and (not called.exists() or Path(found).resolve() == called.resolve()):
        return "mosaic"
    checkout = Path(sys.prefix).parent / "script" / "mosaic"
    if checkout.exists():
        here = Path.cwd()
        return str(checkout.relative_to(here)) if checkout.is_relative_to(here) else str(checkout)
    return str(called)


def _app(app: Installation) -> list[str]:
    name = f"{app.name}:"
    if app.wanted == "stop":
        return [f"{name:<10}stopped; `{program()} start {app.name}` starts it"]
    report = holder_report(app)
    found = address(report) if report is not None else []
    if not found:
        return [f"{name:<10}{app.health.word}. {app.health.cause}"]
    return [f"{name if at == 0 else '':<10}{one}" for at, one in enumerate(found)]
