"""What is said of the actions that an app names: what a Device tells of them, and what is sent to run one."""

from typing import Literal

import msgspec

from mosaic.wire.device_keys import KeyProof


class ActionInput(msgspec.Struct, frozen=True):
    """One input. `least` and `most` are those of an integer, `shortest` and `longest` of text; `choices` are labels."""

    name: str
    kind: Literal["text", "integer", "choice", "secret"]
    title: str
    pattern: str = ""
    shortest: int = 0
    longest: int = 0
    least: int = 0
    most: int = 0
    choices: list[str] = []


class Action(msgspec.Struct, frozen=True):
    """One action, in which service it is run, and what it asks for."""

    name: str
    title: str
    service: str
    inputs: list[ActionInput]


class Actions(msgspec.Struct, frozen=True):
    """All actions of the version that runs. `device` runs it; secrets are encrypted to `wrapping_key` (hex).

    Whose that key is, `device_id`, `signing_key` and `proof` say: a client checks them before (decision 58).
    """

    actions: list[Action]
    installation: str = ""
    device: str = ""
    wrapping_key: str = ""
    device_id: str = ""
    signing_key: str = ""
    proof: KeyProof | None = None


class RunAction(msgspec.Struct, frozen=True):
    """Run one. `sealed` are the secret inputs, as only that Device can open them (hex); "" without any."""

    values: dict[str, str] = {}
    sealed: str = ""


class Acted(msgspec.Struct, frozen=True):
    """What it printed."""

    text: str
