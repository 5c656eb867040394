"""An app's actions on the command line: which there are, and running one.

Secret inputs are encrypted here, to the Device that runs the app, after its
key was recognised: the Hive passes on what it cannot read.
"""

from collections.abc import Sequence
from pathlib import Path

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli import asking, credentials, known_devices, recognising
from mosaic.cli.connection import connected
from mosaic.cli.output import Output
from mosaic.cli.unlocking import unlock
from mosaic.core.errors import NotFound, Refused
from mosaic.crypto.action_secrets import seal_action_secrets
from mosaic.wire.actions import Acted, Action, ActionInput, Actions, RunAction


class NoSuchAction(NotFound):
    """The app names no such action."""

    code = "no-such-action"

    def __init__(self, name: str, action: str, known: Sequence[str]) -> None:
        has = ", ".join(known) or "none"
        super().__init__(f"{name} has no action {action[:60]!a}", hint=f"`mosaic actions {name}` shows them: {has}")


class SettingUnusable(Refused):
    """An input was not given as INPUT=TEXT, or is a secret."""

    code = "setting-unusable"

    def __init__(self, problem: str) -> None:
        super().__init__(problem, hint="give `--set INPUT=TEXT` for each input that is not secret")


class SecretsMissing(Refused):
    """The file has another number of lines than the action has secret inputs."""

    code = "secrets-missing"

    def __init__(self, file: Path, wanted: Sequence[str], lines: int) -> None:
        super().__init__(
            f"{file} has {lines} lines, and there are {len(wanted)} secrets: {', '.join(wanted)}",
            hint="write each on a line of its own, in this order",
        )


def show(out: Output, name: str) -> None:
    """List the actions of an app with their inputs."""
    with connected() as hive:
        found = hive.get(f"/api/installations/{segment(name)}/actions", Actions)
    rows = [[each.name, each.title, ", ".join(_in_words(one) for one in each.inputs)] for each in found.actions]
    out.table(found.actions, ["ACTION", "DOES", "INPUTS"], rows, empty=f"{name} names no actions.")


def run(
    out: Output,
    name: str,
    action: str,
    settings: Sequence[str],
    secret_file: Path | None,
    *,
    passphrase_file: Path | None = None,
) -> None:
    """Run one action and show what it printed. Secrets are asked for when the Device was recognised, not before."""
    values = _values(settings)
    path = f"/api/installations/{segment(name)}/actions"
    with connected() as hive:
        found = hive.get(path, Actions)
        wanted = next((each for each in found.actions if each.name == action), None)
        if wanted is None:
            raise NoSuchAction(name, action, [each.name for each in found.actions])
        if any(each.kind == "secret" for each in wanted.inputs):
            _recognise(hive, found, passphrase_file)
        secrets = _secrets(wanted, values, secret_file)
        sealed = ""
        if secrets:
            sealed = seal_action_secrets(
                secrets,
                wrapping_key=found.wrapping_key,
                installation=found.installation,
                action=action,
                values=values,
            )
        acted = hive.send("POST", f"{path}/{segment(action)}", RunAction(values, sealed), Acted)
    out.result(acted, acted.text.rstrip("\n") or "Done.")


def _recognise(hive: HiveClient, found: Actions, passphrase_file: Path | None) -> None:
    """Return when the key that the Hive names is known here to be the Device's.

    The first time the passphrase is asked for: a Device shows that it has the
    account's root key. Raises DeviceForged, DeviceUnproved, DeviceKeysUntold.
    """
    account = credentials.load().account
    if recognising.is_known(recognising.named(found, recognising.named_owner(hive)), account):
        return
    opened, _ = unlock(hive, passphrase_file)
    one = recognising.named(found, opened.owner_key)
    if not recognising.has_root(one, opened.root):
        raise recognising.DeviceUnproved(one.name)
    known_devices.remember(account, one.keys)


def _values(settings: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name or name in values:
            raise SettingUnusable("a setting has no name, no text, or comes twice")
        if any("\ud800" <= letter <= "\udfff" for letter in setting):
            raise SettingUnusable(f"{name!a} is not UTF-8")
        values[name] = text
    return values


def _secrets(wanted: Action, values: dict[str, str], file: Path | None) -> dict[str, str]:
    asked = [each for each in wanted.inputs if each.kind == "secret"]
    for each in asked:
        if each.name in values:
            raise SettingUnusable(f"{each.name} is secret, and everybody on this machine can read a command line")
    if file is None:
        return {
            each.name: asking.secret(each.title.lower(), file=None, option="--secret-file", twice=True)
            for each in asked
        }
    lines = asking.secret("secret", file=file, option="--secret-file").splitlines()
    if len(lines) != len(asked):
        raise SecretsMissing(file, [each.name for each in asked], len(lines))
    return {each.name: line for each, line in zip(asked, lines, strict=True)}


def _in_words(one: ActionInput) -> str:
    match one.kind:
        case "choice":
            return f"{one.name} ({'|'.join(one.choices)})"
        case "integer":
            return f"{one.name} ({one.least} to {one.most})"
        case "secret":
            return f"{one.name} (secret)"
        case "text":
            return one.name
