"""What a person pastes to start a Device: a line, a compose file, a systemd unit, or the line of a host install.

Made from what the Device's container is given (`device_container`), without a
secret: the join token, the name and the passphrase have marked places, which
whoever shows the text fills in by `quoting.fill`. That is the browser, so that
the Hive never sees them, or `mosaic device add`.

The secrets are never words of a command: every user of a machine can read
those while it runs. A shell puts them into the environment of one command.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from mosaic.core import device_container, device_files, quoting
from mosaic.core.device_container import JOIN, PASSPHRASE, Chosen, Container
from mosaic.core.errors import Refused

Form: TypeAlias = Literal["docker", "compose", "systemd", "command"]
FORMS: tuple[Form, ...] = get_args(Form)

Giving: TypeAlias = Literal["asked", "file", "line", "owner"]
"""How the Device gets the passphrase: asked for in its terminal, from a file there, in the text, or not at all."""
GIVINGS: tuple[Giving, ...] = get_args(Giving)

NAME = "MOSAIC_NAME"
PASSPHRASE_AT = "/etc/mosaic/passphrase"  # noqa: S105 (a path)
UNIT_AT = "/etc/systemd/system/mosaic.service"
SERVE_FIRST = "For another one, serve it on the network first: `mosaic up --listen 0.0.0.0 --url https://NAME:8930`."
"""Said where only the Hive's own machine reaches it."""

_PLACES = ((JOIN, "⟨token⟩"), (NAME, "⟨name⟩"), (PASSPHRASE, "⟨passphrase⟩"))
_COLUMNS = 100
_WITHOUT_A_TERMINAL: tuple[Form, ...] = ("compose", "systemd")


class NobodyToAsk(Refused):
    """What is started without a terminal cannot ask for the passphrase."""

    code = "nobody-to-ask"

    def __init__(self, form: Form) -> None:
        super().__init__(
            f"what `--as {form}` starts has no terminal to ask for the passphrase in",
            hint="choose another way with `mosaic device add --passphrase-by file`, `line` or `owner`",
        )


@dataclass(frozen=True, slots=True)
class Text:
    """A text with marked places, and the name of the function in `quoting` that writes values into them."""

    text: str
    quote: quoting.Name

    @property
    def quote_with(self) -> quoting.Quote:
        """The function itself."""
        return quoting.QUOTES[self.quote]


def text(form: Form, giving: Giving, image: str, *, own_engine: bool = False) -> Text:
    """Return what starts a Device of this image, with `own_engine` in isolated mode. Raises NobodyToAsk."""
    if giving == "asked" and form in _WITHOUT_A_TERMINAL:
        raise NobodyToAsk(form)
    in_file = PASSPHRASE_AT if giving == "file" else None
    passed = tuple(name for name, _ in _PLACES)
    chosen = Chosen(image, passphrase_file=in_file, passed=passed, own_engine=own_engine)
    container = device_container.device(chosen)
    match form:
        case "docker":
            return _in_a_shell(device_container.run_words(container, terminal=giving == "asked"))
        case "compose":
            return Text(_compose(container), "compose")
        case "systemd":
            return Text(_systemd(container), "environment_file")
        case "command":
            options = ["--own-engine"] if own_engine else []
            options += ["--passphrase-file", in_file] if in_file else []
            return _in_a_shell(["mosaic", "device", "run", *options])


def default_giving(form: Form) -> Giving:
    """Return the safest way that this form has."""
    return "file" if form in _WITHOUT_A_TERMINAL else "asked"


def all_texts(image: str, *, own_engine: bool = False) -> dict[Form, dict[Giving, Text]]:
    """Return every text that there is, for a page that lets its reader choose."""
    return {
        form: {
            giving: text(form, giving, image, own_engine=own_engine)
            for giving in GIVINGS
            if not (giving == "asked" and form in _WITHOUT_A_TERMINAL)
        }
        for form in FORMS
    }


def _in_a_shell(words: Sequence[str]) -> Text:
    """Set the values for this one command, a line for each, so that one without a value can be left out."""
    places = [f"{name}={place} \\" for name, place in _PLACES]
    return Text("\n".join([*places, *_lines(list(map(quoting.shell, words)))]), "shell")


def _lines(words: Sequence[str]) -> list[str]:
    """Break a command before its options, so that it can be read."""
    options: list[str] = []
    for word in words:
        if word.startswith("--") or not options:
            options.append(word)
        else:
            options[-1] += f" {word}"
    lines = options[:1]
    for option in options[1:]:
        if len(lines[-1]) + len(option) < _COLUMNS:
            lines[-1] += f" {option}"
        else:
            lines.append(f"  {option}")
    return [*[f"{line} \\" for line in lines[:-1]], lines[-1]]


def _compose(container: Container) -> str:
    """Return the compose file with a marked place behind each name that has none of its own."""
    lines = device_files.compose_file(container).splitlines()
    places = {f"      - {name}": f'      - "{name}={place}"' for name, place in _PLACES}
    return "\n".join(places.get(line, line) for line in lines) + "\n"


def _systemd(container: Container) -> str:
    """Return a shell's text that writes the unit and, for root alone, the file with the values beside it.

    A unit's own `Environment=` can be read by every user of the machine.
    """
    folder = device_files.SECRETS_FILE.rpartition("/")[0]
    # No value has a line end, so none ends what it stands in.
    return "\n".join(
        [
            f"install -d -m 700 {folder}",
            # Most shells keep a command that begins with a space out of their history, with all its lines.
            f" install -m 600 /dev/stdin {device_files.SECRETS_FILE} <<'END'",
            *[f'{name}="{place}"' for name, place in _PLACES],
            "END",
            f"install -m 644 /dev/stdin {UNIT_AT} <<'END'",
            device_files.unit(container).rstrip("\n"),
            "END",
            "systemctl daemon-reload",
            "systemctl enable --now mosaic.service",
            "",
        ]
    )
