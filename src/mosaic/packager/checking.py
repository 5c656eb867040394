"""Everything that is wrong with an app's folder, at once: what `mosaic app check` says.

Nothing is built, resolved or written, and nobody is asked: an image that does
not exist is found when the app is published.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters import compose_text, compose_yaml
from mosaic.adapters.bundle import AppUnpackable
from mosaic.adapters.bundle_archive import require_packable
from mosaic.adapters.compose_nodes import Node
from mosaic.core.app import SEED_VARIABLES, fill_in
from mosaic.core.app_repository import COMPOSE_FILE, DISABLED, AppRepositoryRefused, sort_out
from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_pairs, read_compose, to_json
from mosaic.core.compose_keys import is_link_image
from mosaic.core.compose_variables import VariableRequired, VariablesUnknown, interpolate
from mosaic.core.errors import MosaicError
from mosaic.core.ignore_rules import IGNORE_FILE, IgnoreRulesBad
from mosaic.core.link_service import left_out, require_one_link
from mosaic.core.pin_problems import PinningRefused
from mosaic.core.pinning import pin_offline
from mosaic.core.policy import check as check_policy
from mosaic.core.rendering import wanted_ports
from mosaic.packager.app_problem import AppProblem
from mosaic.packager.left_out import left_out_of
from mosaic.packager.own_file import app_name, read_own
from mosaic.packager.places import line_of, line_told
from mosaic.packager.variables import names_for_own_images

_PLACEHOLDER = "1"
"""Stands for a value that whoever installs the app will give: a number, so that it can be a port."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What the app may have if its owner grants it, and the line that asks for it."""

    grant: str
    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Checked:
    """`variables` are those that the owner gives when installing; publishing passes over what `is_disabled`.

    `notes` are sentences about what does nothing.
    """

    problems: tuple[AppProblem, ...]
    asks: tuple[Ask, ...] = ()
    variables: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    is_disabled: bool = False
    notes: tuple[str, ...] = ()


def check_app(folder: Path) -> Checked:
    """Look at one app's folder. What is wrong is returned, not raised; a folder that cannot be read is an OSError."""
    problems = [*_folder(folder), *_content(folder)]
    try:
        text = read_own(folder, COMPOSE_FILE)
    except AppUnpackable as error:
        # A link that leads out is told with all that leads out.
        told = AppProblem(COMPOSE_FILE, None, error.message, error.hint)
        return Checked(tuple(problems) if (folder / COMPOSE_FILE).is_symlink() and problems else (*problems, told))
    if text is None:
        return Checked(tuple(problems))
    try:
        parsed = compose_yaml.parse(text)
        written = compose_yaml.outline(text)
    except ComposeInvalid as error:
        return Checked((*problems, _told(None, error)))
    problems += _images(text, written)
    try:
        document = _with_images(to_json(parsed))
        compose, variables = _filled_in(document)
        wanted_ports(compose)
        _require_one_link(document, variables)
    except (ComposeInvalid, VariableRequired) as error:
        problem = _told(written, error)
        # What keeps the images from being found is told by them already, in other words.
        is_told = any((each.file, each.line) == (problem.file, problem.line) for each in problems)
        return Checked(tuple(problems) if is_told else (*problems, problem))
    findings = [(line_of(written, each.service, each.key), each) for each in check_policy(compose)]
    problems += [
        AppProblem(COMPOSE_FILE, line, str(each), "no grant allows this: change the compose file")
        for line, each in findings
        if each.grant is None
    ]
    asks = tuple(Ask(each.grant, str(each), line) for line, each in findings if each.grant is not None)
    return Checked(
        tuple(dict.fromkeys(problems)),
        asks,
        variables,
        tuple(sorted(compose.services)),
        tuple(sorted(compose.volumes)),
        app_name(folder).endswith(DISABLED) or (folder / DISABLED).is_file(),
        tuple(_notes(compose)),
    )


def _folder(folder: Path) -> Iterable[AppProblem]:
    name = app_name(folder)
    files = {path.name for path in folder.iterdir() if path.is_file()}
    if name.startswith("."):
        return [AppProblem(".", None, "its name begins with a dot, so publishing passes over it", "rename the folder")]
    try:
        kind = sort_out({name: files})[name]
    except AppRepositoryRefused as error:
        return [AppProblem(".", None, problem.sentence, problem.hint) for problem in error.problems]
    if kind.is_app or COMPOSE_FILE in files:
        return []
    return [AppProblem(".", None, f"it has no {COMPOSE_FILE}, so it is no app", "`mosaic app init` writes one")]


def _content(folder: Path) -> Iterable[AppProblem]:
    try:
        skip = left_out_of(folder)
    except AppUnpackable as error:
        return [AppProblem(IGNORE_FILE, None, error.message, error.hint)]
    except IgnoreRulesBad as error:
        return [AppProblem(IGNORE_FILE, error.line, error.message.partition(": ")[2], error.hint)]
    try:
        require_packable(folder, skip=skip)
    except AppUnpackable as error:
        return [AppProblem(".", None, error.message, error.hint)]
    return []


def _images(text: bytes, written: Node) -> Iterable[AppProblem]:
    try:
        uses = [each.use(COMPOSE_FILE) for each in compose_text.images(text)]
        pin_offline(uses, variables=names_for_own_images(), lock={})
    except PinningRefused as error:
        return [
            AppProblem(each.use.file, each.use.line, each.sentence_of_service, each.hint) for each in error.problems
        ]
    except ComposeInvalid as error:
        return [_told(written, error)]
    return []


def _with_images(document: Json) -> Json:
    """Give every service an image, so that what else is wrong is found too; one that names none was told already."""
    if not isinstance(document, dict) or not isinstance(services := document.get("services"), dict):
        return document
    named: dict[str, Json] = {
        name: {**service, "image": service.get("image") or _PLACEHOLDER} if isinstance(service, dict) else service
        for name, service in services.items()
    }
    return {**document, "services": named}


def _filled_in(parsed: Json) -> tuple[Compose, tuple[str, ...]]:
    given: Mapping[str, str] = dict.fromkeys(SEED_VARIABLES, _PLACEHOLDER) | names_for_own_images()
    try:
        return fill_in(parsed, variables=given), ()
    except VariablesUnknown as unknown:
        names = unknown.names
        return fill_in(parsed, variables={**given, **dict.fromkeys(names, _PLACEHOLDER)}), tuple(names)


def _require_one_link(document: Json, variables: tuple[str, ...]) -> None:
    """Look by which names tokens are called: the values stand for others, and are all the same."""
    named = {name: f"${name}" for name in (*SEED_VARIABLES, *names_for_own_images(), *variables)}
    require_one_link(read_compose(interpolate(document, named)), token=named["LINK_TOKEN_DEFAULT"])


def _notes(compose: Compose) -> Iterable[str]:
    for name, service in compose.services.items():
        unknown = (
            left_out(as_pairs(service.get("environment"), "environment"))
            if is_link_image(str(service["image"]))
            else []
        )
        if unknown:
            yield f"service {name} is a link, which does not know {', '.join(unknown)}: left out when it runs"


def _told(written: "Node | None", error: MosaicError) -> AppProblem:
    return AppProblem(COMPOSE_FILE, line_told(written, error.message), error.message, error.hint)
