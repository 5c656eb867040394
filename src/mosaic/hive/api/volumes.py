"""What an account asks about one of its volumes: the wrapped seed, and drills. Routes only; see `mosaic.wire.api`."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from mosaic.hive import actions, views
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire import api


@get("/api/volumes/{volume:str}/envelope")
async def get_envelope(volume: FromPath[str], hive: TheHive, who: Owner) -> api.VolumeEnvelope:
    """Return the volume's wrapped seed; whoever has the account's root key opens it."""
    return await views.volume_envelope(hive, who.account, volume)


@get("/api/volumes/{volume:str}/drills")
async def list_drills(volume: FromPath[str], hive: TheHive, who: Owner) -> list[api.Drilled]:
    """Return the last drill of each snapshot, the newest first."""
    return await views.list_drills(hive, who.account, volume)


@post("/api/volumes/{volume:str}/drills", status_code=200)
async def tell_drill(volume: FromPath[str], data: JSONBody[api.Drill], hive: TheHive, who: Owner) -> api.Drilled:
    """Take down what a drill found. Telling it again replaces it."""
    return await actions.tell_drill(hive, who.account, volume, data)


handlers = [get_envelope, list_drills, tell_drill]
