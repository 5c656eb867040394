"""Running what an app lets its owner do in it.

The actions are those of the version that runs here, read from its package after
the same checks as before a start: vouched for, and as it was signed. What the
Hive says is a name, and values that are checked again (G8). The command runs in
the service's container by `docker compose exec`; secrets are on its standard
input, and never in an argument, a log or the ledger.
"""

from dataclasses import replace
from typing import assert_never

from mosaic.adapters import log
from mosaic.adapters.docker.compose import project_name
from mosaic.adapters.process import CommandTimedOut, Finished
from mosaic.core.action_values import fill
from mosaic.core.app_actions import AppAction, Choice, Input, Integer, SecretText, Text, app_actions
from mosaic.core.errors import NotFound, Refused
from mosaic.crypto.action_secrets import subject_of
from mosaic.device import vouching
from mosaic.device.commands import EndedBadly
from mosaic.device.doing.preparing import compose_file, is_as_rendered
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.package import read_app
from mosaic.device.records import release_of, release_text
from mosaic.device.requirements import NotHere, require_here, require_not_updated
from mosaic.wire import actions, command

_SHOWN = 60


class ActionUnknown(NotFound):
    """The version that runs names no such action."""

    code = "action-unknown"

    def __init__(self, action: str, known: list[str]) -> None:
        super().__init__(
            f"the version that runs here has no action {action[:_SHOWN]!a}",
            hint=f"its actions: {', '.join(known) or 'none'}",
        )


class ActionNotNow(Refused):
    """The app does not run here in the version that it should, or not as that was signed."""

    code = "action-not-now"

    def __init__(self) -> None:
        super().__init__(
            "the app does not run here in the version that it should, unchanged, so nothing was done in it",
            hint="start it, or wait a few minutes until it runs as it should: `mosaic show NAME`",
        )


class ActionFailed(EndedBadly):
    """The app's command ended with an error. The message has what it printed."""

    code = "action-failed"

    def __init__(self, action: str, code: int, said: str) -> None:
        super().__init__(
            f"{action} ended with {code}: {said or 'it said nothing'}",
            hint="these are the app's own words; correct the input, or look at `mosaic logs NAME`",
        )


class ActionTooSlow(EndedBadly):
    """The app's command did not end in time."""

    code = "action-too-slow"

    def __init__(self, action: str, seconds: int) -> None:
        super().__init__(
            f"{action} did not end within {seconds} s; it may go on in its container",
            hint="look at the app before you run it again: `mosaic logs NAME`",
        )


async def tell(means: Means, installation: str) -> list[actions.Action]:
    """Say what can be done in an app. Raises NotHere, ActionNotNow, and what reading its package raises."""
    return [_told(each) for each in (await _known(means, installation)).values()]


async def act(means: Means, wanted: command.AppAction) -> str:
    """Run an action and return what it printed.

    Raises:
        ActionUnknown, ActionInputRefused, ActionSecretsUnopened, NotHere, ActionNotNow: nothing was run.
        ActionFailed, ActionTooSlow: it was run, and said no, or nothing in time.
    """
    known = await _known(means, wanted.installation)
    action = known.get(wanted.action)
    if action is None:
        raise ActionUnknown(wanted.action, sorted(known))
    subject = subject_of(wanted.installation, wanted.action, wanted.values)
    secrets = means.open_sealed(wanted.sealed, subject) if wanted.sealed else {}
    filled = fill(action, wanted.values, secrets)
    file = compose_file(means, wanted.installation)
    if not await ask(is_as_rendered, means, wanted.installation, file):
        raise ActionNotNow
    log.info("app_action", installation=wanted.installation, action=action.name)
    try:
        done = await means.engine.act(
            project_name(means.device, wanted.installation),
            file,
            service=action.service,
            command=filled.command,
            stdin=filled.stdin,
            deadline_seconds=action.timeout_seconds,
        )
    except CommandTimedOut:
        # The cause is dropped: it has what was printed, and so perhaps a secret.
        raise ActionTooSlow(action.name, action.timeout_seconds) from None
    shown = _without(done, secrets)
    if shown.code != 0:
        raise ActionFailed(action.name, shown.code, shown.last_lines())
    return shown.text


async def _known(means: Means, installation: str) -> dict[str, AppAction]:
    require_here(means, installation)
    require_not_updated(means, installation)
    assigned = means.records.assignments.get(installation)
    if assigned is None:
        raise NotHere(installation)
    item = means.records.effective(assigned)
    notes = means.records.notes_of(installation)
    if item.goal != "run" or not notes.started or notes.rendered != release_text(release_of(item)):
        raise ActionNotNow
    await vouching.require(means, item)
    if await ask(means.packages.store.changed_files, item.app, item.app_digest):
        # Whoever looks after the app puts them back, and starts again what mounts them.
        raise ActionNotNow
    return app_actions(await ask(read_app, means, item))


def _without(done: Finished, secrets: dict[str, str]) -> Finished:
    """Return what a program printed without the secrets that it was given.

    Before anything is cut off or tidied: half of a secret would not be found.
    """
    stdout, stderr = done.stdout, done.stderr
    for value in sorted((each.encode() for each in secrets.values() if each), key=len, reverse=True):
        stdout, stderr = (printed.replace(value, "…".encode()) for printed in (stdout, stderr))
    return replace(done, stdout=stdout, stderr=stderr)


def _told(action: AppAction) -> actions.Action:
    inputs = [_input(name, each) for name, each in action.inputs.items()]
    return actions.Action(action.name, action.title, action.service, inputs)


def _input(name: str, wanted: Input) -> actions.ActionInput:
    match wanted:
        case Text(title, pattern, shortest, longest):
            shape = pattern.text if pattern else ""
            return actions.ActionInput(name, "text", title, pattern=shape, shortest=shortest, longest=longest)
        case Integer(title, least, most):
            return actions.ActionInput(name, "integer", title, least=least, most=most)
        case Choice(title, words):
            return actions.ActionInput(name, "choice", title, choices=list(words))
        case SecretText(title, shortest, longest):
            return actions.ActionInput(name, "secret", title, shortest=shortest, longest=longest)
        case _ as unreachable:
            assert_never(unreachable)
