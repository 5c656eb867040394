"""What an app lets its owner do in it: a form for each action, and what the app answered.

Asked of the Device each time. Actions with a secret input are for the command
line, which encrypts it to the Device.
"""

from litestar import Response, get, post

from mosaic.core.errors import MosaicError
from mosaic.hive import actions, views
from mosaic.hive.console import forms, render
from mosaic.hive.http import Asked
from mosaic.hive.runtime import Hive
from mosaic.hive.signed_in import SignedIn
from mosaic.wire.actions import Action, RunAction


@get("/apps/{name:str}/actions")
async def list_actions(hive: Hive, who: SignedIn, name: str) -> Response[str]:
    """List the actions of the version that runs."""
    app = await views.get_installation(hive, who.account, name)
    found: list[Action] = []
    problem = None
    try:
        found = (await actions.list_actions(hive, who.account, app.installation)).actions
    except MosaicError as error:
        problem = error
    return render.page("actions.html", who=who, app=app, actions=found, problem=problem, ran="", answer="", typed={})


@post("/apps/{name:str}/actions/{action:str}", status_code=200)
async def run_action(request: Asked, hive: Hive, who: SignedIn, name: str, action: str) -> Response[str]:
    """Run one, and show what it printed."""
    form = await forms.read(request, who)
    app = await views.get_installation(hive, who.account, name)
    wanted, every = await actions.find_action(hive, who.account, app.installation, action)
    # Fields have names of their own: an input may be called as a field of ours is.
    typed = {each.name: form.secret(f"input-{each.name}") for each in wanted.inputs if each.kind != "secret"}
    problem, answer = None, ""
    try:
        wish = RunAction(typed)
        answer = (await actions.run_action(hive, who.account, app.installation, action, wish)).text
    except MosaicError as error:
        problem = error
    return render.page(
        "actions.html",
        who=who,
        app=app,
        actions=every.actions,
        problem=problem,
        ran=action,
        answer=answer,
        typed=typed,
    )


handlers = [list_actions, run_action]
