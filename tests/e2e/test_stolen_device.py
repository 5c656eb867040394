"""After a Device was stolen: another root key, new keys for an app, and what the thief and the owner can read then."""

import sys
from pathlib import Path

import msgspec
import pytest

from e2e.world import World, eventually, read_notes, write_note
from mosaic.adapters import process
from mosaic.core.ids import VolumeId
from mosaic.crypto import unwrap
from mosaic.crypto.secret import Secret
from mosaic.device import identity as identities
from mosaic.wire.store_envelope import StoreEnvelope

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
TOOLS = Path(__file__).parents[2] / "tools"


def opens(envelope: Path, root: Secret) -> bool:
    """Say whether a root key opens the seed in an envelope of a store."""
    found = msgspec.json.decode(envelope.read_bytes(), type=StoreEnvelope)
    try:
        unwrap.open_volume_seed(found.wrapped_seed, root, volume=VolumeId(found.volume))
    except unwrap.EnvelopeDamaged:
        return False
    return True


def tool(name: str, *words: object) -> None:
    process.run([sys.executable, str(TOOLS / name), *map(str, words)], deadline_seconds=120)


def test_what_an_app_writes_under_new_keys_is_the_owners_to_restore_and_not_the_thiefs_to_read(world: World) -> None:
    passphrase, kit = str(world.folder / "passphrase"), world.folder / "kit.txt"
    world.ok("install", "notes", "--name", "letters", "--device", "home")
    write_note(world.address("letters"), "before", attached=b"a photo" * 1000)
    stolen = identities.load(world.home.state / "device" / "identity.json").root
    assert stolen is not None

    renewed = world.ok("keys", "renew", "--yes", "--passphrase-file", passphrase, "--out", str(kit))
    assert "letters" in renewed["apps"]
    at, before = world.address("letters"), world.installation("letters")
    ended = world.ok("volume", "rekey", "letters", "--yes")
    after = world.installation("letters")

    assert ended["failure"] is None and after["installation"] != before["installation"]
    assert world.address("letters") == at, "it is found where it was"
    assert read_notes(at) == {"before": [b"a photo" * 1000]}
    write_note(at, "after")
    store = data_store(world, after["installation"])
    eventually(lambda: sorted(store.glob("e-*")), "the store has its envelope", seconds=60)
    assert not any(opens(each, stolen) for each in store.glob("e-*"))

    def restored() -> bool:
        seed, back = world.folder / "letters.seed", world.folder / "back"
        for path in (seed, back):
            process.run(["rm", "-rf", str(path)], deadline_seconds=60)
        line = next(one for one in kit.read_text().splitlines() if one.startswith("recovery code:"))
        (world.folder / "code").write_text(line.partition(":")[2].strip())
        tool("recover_seed.py", "--store", store, "--code-file", world.folder / "code", "--seed-file", seed)
        tool("rescue.py", "--store", store, "--seed-file", seed, "--to", back)
        return any(b"after" in path.read_bytes() for path in back.rglob("*") if path.is_file())

    eventually(
        restored, "the new recovery code and the store alone bring back what was written last", seconds=90, pause=2
    )


def data_store(world: World, installation: str) -> Path:
    """Return the folder that the Hive keeps an installation's data in."""
    of_it = [one["volume"] for one in world.ok("volume", "list") if one["installation"] == installation]
    kinds = {one["volume"]: one["kind"] for one in world.ok("volume", "list")}
    (volume,) = [one for one in of_it if kinds[one] == "data"]
    (found,) = [path for path in world.home.state.rglob(volume) if any(path.glob("e-*")) or any(path.glob("p-*"))]
    return found
