"""Looking whether domains are their accounts': at once when they are added, daily afterwards.

What follows from a look is `mosaic.core.name_proof`'s; here DNS is asked, the answer kept, and the owner told.
"""

from collections.abc import Mapping

import anyio

from mosaic.adapters import log
from mosaic.adapters.sql import events, installations, link_names, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.events import Happened
from mosaic.adapters.sql.link_names import Name
from mosaic.core import domain_name, name_proof
from mosaic.core.errors import MosaicError
from mosaic.core.ids import AccountId, LinkId
from mosaic.core.name_proof import Evidence, Told
from mosaic.hive.links import naming, wanted
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive

_AT_ONCE = 8
_LONGEST_PAUSE_SECONDS = 3600.0
_AGAIN_SECONDS = 30.0

_EVENTS: Mapping[Told, tuple[str, str]] = {
    "proved": ("link-name-proved", "{name} is proved to be yours, and leads to {app}."),
    "back": ("link-name-proved", "{name} is proved again, and stays with {app}."),
    "gone": (
        "link-name-doubtful",
        "Nothing in DNS proves any more that {name} is yours. It leads to {app} for 7 days from now; put the record"
        " back: `mosaic link list` says which.",
    ),
    "ends-soon": (
        "link-name-doubtful",
        "{name} leads to {app} for a day from now, and then no more: nothing in DNS proves that it is yours."
        " `mosaic link list` says which record does.",
    ),
    "withdrawn": (
        "link-name-withdrawn",
        "{name} leads to {app} no more: nothing in DNS has proved for days that it is yours.",
    ),
    "given-up": ("link-name-withdrawn", "Nothing in DNS ever proved that {name} is yours; nobody looks any more."),
}


async def keep(hive: Hive) -> None:
    """Look, for ever."""
    while True:
        seen = hive.links.claimed.seen
        try:
            pause = await look(hive)
        except MosaicError as error:
            log.warning("domains_not_looked_at", code=error.code, reason=error.message)
            pause = _AGAIN_SECONDS
        await hive.links.claimed.wait(seen, seconds=pause)


async def look(hive: Hive) -> float:
    """Look at every domain whose time has come; return for how many seconds there is nothing to do."""
    due = await hive.read(lambda tx: link_names.due(tx, now_ns=hive.clock.wall_ns()))
    limit = anyio.CapacityLimiter(_AT_ONCE)
    async with anyio.create_task_group() as tasks:
        for name in due:
            tasks.start_soon(_look_in_turn, hive, name, limit)
    next_ns = await hive.read(link_names.next_due_ns)
    if next_ns is None:
        return _LONGEST_PAUSE_SECONDS
    return min(max(1.0, (next_ns - hive.clock.wall_ns()) / 1e9), _LONGEST_PAUSE_SECONDS)


async def look_at(hive: Hive, name: Name) -> None:
    """Ask DNS about one domain, keep what follows, and tell its owner."""
    found = await hive.read(lambda tx: _belonging(tx, name))
    if found is None:
        return
    account, own = found
    value = name_proof.challenge_value(hive.key.challenge_key, account=account, claim=name.name)
    evidence = await in_own_thread(lambda: _ask(hive.config.resolvers, name.name))
    verdict = name_proof.judge(name.name, evidence, value=value, own=own)
    now_ns = hive.clock.wall_ns()

    def keep_it(tx: Tx) -> bool:
        holder = link_names.holder(tx, name.name)
        is_free = holder is None or holder == name.link
        after, told = name_proof.step(name.claim, verdict if is_free else "unanswered", now_ns=now_ns)
        if not link_names.put_claim(tx, name, after):
            return False
        if told is not None:
            _tell(tx, account, name, told, now_ns=now_ns)
        return wanted.refresh(tx, name.link, now_ns=now_ns)

    if await hive.write(keep_it):
        hive.links.changed.wake()


async def _look_in_turn(hive: Hive, name: Name, limit: anyio.CapacityLimiter) -> None:
    async with limit:
        try:
            await look_at(hive, name)
        except MosaicError as error:
            log.warning("domain_not_looked_at", domain=name.name, code=error.code, reason=error.message)
        except Exception as error:  # a mistake of ours about one domain must not end the Hive
            log.mistake("proving_broke", error, domain=name.name)


def _belonging(tx: Tx, name: Name) -> tuple[AccountId, list[str]] | None:
    link = links.get(tx, LinkId(name.link))
    if link is None or link.removed_ns is not None:
        return None
    return link.account, naming.own_domains(tx, link.account)


def _ask(resolvers: tuple[str, ...], name: str) -> Evidence:
    # Imported here: it takes memory, and most Hives never need it.
    from mosaic.adapters.dns import Resolver, parse_server

    resolver = Resolver([parse_server(one) for one in resolvers])
    texts = resolver.texts(name_proof.challenge_name(name))
    if domain_name.is_wildcard(name):
        return Evidence(texts)
    return Evidence(texts, resolver.alias(name))


def _tell(tx: Tx, account: AccountId, name: Name, told: Told, *, now_ns: int) -> None:
    link = links.get(tx, name.link)
    app = installations.get(tx, link.installation) if link is not None else None
    kind, text = _EVENTS[told]
    words = text.format(name=name.name, app=app.name if app is not None else "its app")
    subject = link.installation if link is not None else name.link
    events.add(tx, Happened(account, kind, subject, words), now_ns=now_ns, by="hive")
