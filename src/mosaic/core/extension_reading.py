"""Reading what stands under `x-mosaic` in a compose file, strictly: a word that nobody knows is refused."""

from collections.abc import Collection, Mapping

from mosaic.core.compose_document import ComposeInvalid, Json, as_list, as_text

KEYS = ("title", "summary", "snapshot", "actions")
"""What may stand there."""

MAX_WORDS = 64
MAX_COMMAND_BYTES = 8192


def only_known(wish: Mapping[str, Json], known: Collection[str], where: str) -> None:
    """Refuse a key that means nothing. Raises ComposeInvalid."""
    for key in wish:
        if key not in known:
            raise ComposeInvalid(
                f"{where} has the key {key}, which means nothing here",
                hint=f"its keys are {', '.join(known)}; correct the spelling, or remove it",
            )


def whole_number(wish: Mapping[str, Json], key: str, where: str, *, default: int, least: int, most: int) -> int:
    """Read a whole number between bounds. Raises ComposeInvalid."""
    told = wish.get(key, default)
    # Variables that were filled in are text.
    if isinstance(told, str) and told.isascii() and told.isdigit():
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, int) or not least <= told <= most:
        what = "a whole number of seconds" if key.endswith("_seconds") else "a whole number"
        raise ComposeInvalid(
            f"{where}.{key} is not {what} from {least} to {most}", hint=f"write for instance `{key}: {default}`"
        )
    return told


def command_words(told: Json, where: str) -> tuple[str, ...]:
    """Read a command: a list of words, because no shell takes one text apart. Raises ComposeInvalid."""
    if isinstance(told, str):
        raise ComposeInvalid(
            f"{where} is one text, and no shell takes it apart",
            hint='write it as a list, for instance ["pg_dump", "-f", "/dump/app.sql"], or ["sh", "-c", "…"]',
        )
    words = tuple(as_text(word, where) for word in as_list(told, where))
    if not words or not words[0]:
        raise ComposeInvalid(f"{where} is empty", hint="name the program to run: `command: [PROGRAM, ARGUMENT]`")
    size = sum(len(word.encode(errors="surrogatepass")) + 1 for word in words)
    if len(words) > MAX_WORDS or size > MAX_COMMAND_BYTES or any("\0" in word for word in words):
        raise ComposeInvalid(
            f"{where} is longer than {MAX_WORDS} words or {MAX_COMMAND_BYTES} bytes, or has a zero byte",
            hint="put it into a script in the image, and name that",
        )
    return words
