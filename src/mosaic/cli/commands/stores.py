"""`mosaic storage store add|list|check|remove` and `mosaic storage limit`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mosaic.cli import asking
from mosaic.cli.bucket_key import bucket_key
from mosaic.cli.output import Output, json_option
from mosaic.cli.units import ago, parse_size, size

if TYPE_CHECKING:
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.wire.stores import Shared, StoreShown

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)
_state = click.option("--state", type=_FOLDER, help="The storage daemon's folder. [/var/lib/mosaic/storage]")


class Rate(click.ParamType[int]):
    """A rate like `2MB/s`, or `none`."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes a second, 0 for `none`."""
        text = str(value).lower()
        rate = 0 if text == "none" else parse_size(text.removesuffix("/s"))
        if rate is None:
            self.fail("give a rate like 2MB/s or 500kB/s (units of 1000), or none", param, ctx)
        return rate


@click.group()
def store() -> None:
    """Stores that follow: they get what the Hive's store gets, encrypted."""


@store.command()
@click.argument("name")
@click.argument("url")
@click.option("--credentials", type=_FILE, help="The file with the bucket's key, or with the pairing string.")
@_state
@json_option
def add(out: Output, name: str, url: str, credentials: Path | None, state: Path | None) -> None:
    """Have the store at URL follow, and call it NAME.

    URL is file:///mnt/nas/mosaic, s3://bucket/folder?endpoint=https://… or
    mosaic://host:port of a Device that runs `mosaic storage share`.
    """
    from mosaic.wire.stores import StoreAdd

    shown = client(state).store_add(StoreAdd(name, url, _key(url, credentials)))
    lines = [f"{name} follows from now on; what is there already is copied in the background.", *_found_out(shown)]
    out.result(shown, "\n".join(lines))


@store.command("list")
@_state
@json_option
def list_(out: Output, state: Path | None) -> None:
    """List the stores that follow, and how far each is."""
    found = client(state).stores()
    rows = [[one.name, one.url, _where(one), ago(one.oldest_instant_ns), _progress(one)] for one in found.stores]
    columns = ["NAME", "ADDRESS", "WHERE", "SAVED", "STATE"]
    empty = "No store follows. `mosaic storage store add` adds one."
    out.table(found, columns, rows, empty=empty)
    if not out.as_json:
        limits = [f"{way} {size(rate)}/s" for way, rate in (("up", found.upload), ("down", found.download)) if rate]
        click.echo("".join(f"\nThe line is limited: {', '.join(limits)}." for _ in limits[:1]), nl=bool(limits))


@store.command()
@click.argument("name")
@_state
@json_option
def check(out: Output, name: str, state: Path | None) -> None:
    """Try the store NAME out again, and give it at once what it missed."""
    shown = client(state).store_check(name)
    out.result(shown, "\n".join([f"{name}: {_progress(shown)}", *_found_out(shown)]))


@store.command()
@click.argument("name")
@_state
@json_option
def remove(out: Output, name: str, state: Path | None) -> None:
    """Follow with the store NAME no more. What lies in it stays, and stays encrypted."""
    done = client(state).store_remove(name)
    out.result(done, f"{name} gets nothing more. What lies in it stays; delete it there when you are sure.")


@click.command()
@click.option("--upload", type=Rate(), help="Like 2MB/s, or none.")
@click.option("--download", type=Rate(), help="Like 2MB/s, or none.")
@_state
@json_option
def limit(out: Output, upload: int | None, download: int | None, state: Path | None) -> None:
    """Limit what all stores together may take of the line. It counts at once, and is remembered."""
    from mosaic.wire.stores import Limit

    daemon = client(state)
    now = daemon.stores()
    wanted = Limit(
        now.upload if upload is None else upload or None, now.download if download is None else download or None
    )
    found = daemon.limit(wanted) if (upload, download) != (None, None) else wanted
    ways = (("up", found.upload), ("down", found.download))
    out.result(found, "\n".join(f"{way:<5}{f'{size(rate)}/s' if rate else 'no limit'}" for way, rate in ways))


@click.command()
@click.option("--listen", help="The address and port to listen on, like 0.0.0.0:8475.")
@click.option("--folder", type=_FOLDER, help="Where the others' volumes lie.")
@click.option("--quota", help="How much they may take, like 500GB; as much as the disk has if not given.")
@click.option("--new-pairing", is_flag=True, help="Print a new pairing string; the one before opens nothing any more.")
@click.option("--stop", is_flag=True, help="Share nothing any more. What lies in the folder stays.")
@_state
@json_option
def share(
    out: Output,
    listen: str | None,
    folder: Path | None,
    quota: str | None,
    new_pairing: bool,
    stop: bool,
    state: Path | None,
) -> None:
    """Keep other Devices' volumes in a folder of this machine, which cannot read them.

    The pairing string is printed once. It is a secret: who has it can read,
    fill and delete the ciphertext in the folder.
    """
    from mosaic.wire.stores import Share

    daemon = client(state)
    now = daemon.stores().shared
    if stop:
        out.result(daemon.unshare(), "Nothing is shared any more. What lies in the folder stays.")
        return
    if now is not None and (listen, folder, quota, new_pairing) == (None, None, None, False):
        out.result(now, _sharing(now))
        return
    host, port = _listen(listen) if listen is not None else (now.host, now.port) if now is not None else ("", 0)
    path = str(folder.absolute()) if folder is not None else now.folder if now is not None else ""
    if not host or not path:
        raise click.UsageError("nothing is shared here yet: give --listen and --folder")
    most = _quota(quota) if quota is not None else now.quota_bytes if now is not None else None
    found = daemon.share(Share(host, port, path, most, new_pairing))
    lines = [_sharing(found)]
    if found.pairing is not None:
        lines += [
            "",
            "The pairing string, for `mosaic storage store add` on the other Device (shown once):",
            found.pairing,
        ]
    out.result(found, "\n".join(lines))


def client(state: Path | None) -> "StorageClient":
    """Return the way to the storage daemon of this machine."""
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.cli.up.layout import Layout, state_folder

    return StorageClient((state or Layout(state_folder(None)).storage).absolute() / "storage.sock")


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise click.BadParameter("give an address and a port, like 0.0.0.0:8475", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _quota(text: str) -> int | None:
    found = None if text == "none" else parse_size(text)
    if found is None and text != "none":
        raise click.BadParameter("give a size like 500GB, or none", param_hint="--quota")
    return found


def _sharing(shared: "Shared") -> str:
    most = f" of {size(shared.quota_bytes)}" if shared.quota_bytes else ""
    return f"{shared.folder} is shared on {shared.host}:{shared.port}; {size(shared.used_bytes)}{most} used."


def _key(url: str, file: Path | None) -> str | None:
    match url.partition(":")[0]:
        case "s3":
            return bucket_key(file)
        case "mosaic":
            return asking.secret("pairing string", file=file, option="--credentials")
        case _:
            return None


def _found_out(shown: "StoreShown") -> list[str]:
    lines = []
    if shown.same_machine:
        lines.append("It is on this machine, as far as can be told, so it is no replica: it dies with the machine.")
    if not shown.create_only:
        lines.append("It ignores conditional writes: the data is safe there, and heads stay in the Hive.")
    elif not shown.compare_and_swap:
        lines.append("It holds to create-only writes, and knows no compare-and-swap: heads stay in the Hive.")
    else:
        lines.append("It holds to create-only and compare-and-swap writes.")
    if shown.problem is not None:
        lines += [f"{shown.problem.message}", f"hint: {shown.problem.hint}"]
    return lines


def _where(shown: "StoreShown") -> str:
    return "this machine" if shown.same_machine else "elsewhere"


def _progress(shown: "StoreShown") -> str:
    if shown.problem is not None:
        return shown.problem.message
    if not shown.volumes:
        return "no volume is held here"
    behind = f"{shown.behind} of {shown.volumes} volumes are behind"
    return behind if shown.behind else f"has all {shown.volumes} volumes"
