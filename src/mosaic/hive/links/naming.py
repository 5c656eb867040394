"""Which names a link gets: the one that is given out, and whose a domain could be at all."""

import itertools

from mosaic.adapters.sql import account_labels, gateways, installations, link_names, links
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.link_names import Name
from mosaic.adapters.sql.links import Link
from mosaic.core import domain_name, name_proof
from mosaic.core import link_names as given_names
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import AccountId
from mosaic.core.name_proof import Claim
from mosaic.crypto.word_list import friendly_pair, friendly_word

_DRAWS = 64
MOST_DOMAINS = 20
_GOOD_FOR_EVER = 2**62


class LabelTaken(Conflict):
    """Another account has this part of names."""

    code = "link-label-taken"

    def __init__(self, label: str) -> None:
        super().__init__(
            f"another account has {label!r}", hint="choose another one, or none: random words are taken then"
        )


class LabelChosen(Conflict):
    """An account's part of its names is chosen once: links that people know have it in their names."""

    code = "link-label-chosen"

    def __init__(self, label: str) -> None:
        super().__init__(
            f"your links' names have {label!r} in them, and that is chosen once",
            hint="leave `--label` out; a name of your own: `mosaic link add NAME --domain DOMAIN`",
        )


class NameOfAnother(Refused):
    """The name lies under a gateway's own domain, and not under this account's part of it."""

    code = "name-of-another"

    def __init__(self, name: str, own: str) -> None:
        super().__init__(
            f"{name} is not yours to take: it is under a domain of which you have {own} alone",
            hint=f"choose a name right under it, like notes.{own}, or a domain of your own",
        )


class NameInUse(Conflict):
    """Another link of the account has the name."""

    code = "link-name-in-use"

    def __init__(self, name: str, app: str) -> None:
        super().__init__(
            f"{name} is a name of {app}'s link",
            hint=f"take it off there first: `mosaic link remove {app} --domain {name}`",
        )


class WildcardNotServed(Refused):
    """A wildcard was asked for."""

    code = "link-wildcard-not-served"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} cannot be had: a certificate for a wildcard takes a proof in DNS, which a link cannot give",
            hint="name each of its names: `mosaic link add NAME --domain ONE.example.com`",
        )


class TooManyDomains(Refused):
    """A link has as many domains as one can have."""

    code = "link-domains-too-many"

    def __init__(self) -> None:
        super().__init__(
            f"a link has {MOST_DOMAINS} domains at most",
            hint="take one off with `mosaic link remove NAME --domain DOMAIN`",
        )


def label_of(tx: Tx, account: AccountId, wished: str | None, *, now_ns: int) -> str:
    """Return the account's label, which is chosen now if it has none.

    Raises LabelUnusable, LabelTaken, LabelChosen, NoFreeName.
    """
    present = account_labels.get(tx, account)
    if present is not None:
        if wished is not None and given_names.check_label(wished) != present:
            raise LabelChosen(present)
        return present
    if wished is not None:
        label = given_names.check_label(wished)
        if account_labels.is_taken(tx, label):
            raise LabelTaken(label)
    else:
        pairs = (friendly_pair() for _ in range(_DRAWS))
        label = given_names.random_label(pairs, is_taken=lambda one: account_labels.is_taken(tx, one))
    account_labels.choose(tx, account, label, now_ns=now_ns)
    return label


def give(tx: Tx, link: Link, app: str, label: str, base: str, *, now_ns: int) -> None:
    """Give a new link its name. Raises NoFreeName."""
    words = itertools.islice(iter(friendly_word, ""), _DRAWS)
    name = given_names.default_name(
        app, label, base, words, is_taken=lambda one: link_names.holder(tx, one) is not None
    )
    link_names.add(tx, Name(link.id, name, given=True, claim=_good(now_ns)))


def checked(domain: str) -> str:
    """Return a domain in its one spelling. Raises DomainNameUnusable, WildcardNotServed."""
    name = domain_name.normalise(domain, wildcard=True)
    if domain_name.is_wildcard(name):
        raise WildcardNotServed(name)
    return name


def claim(tx: Tx, link: Link, label: str, name: str, *, now_ns: int) -> bool:
    """Note that a link shall have a domain; say whether it is new. One whose proof was given up begins anew.

    Raises DomainNameUnusable, NameOfAnother, NameInUse, TooManyDomains.
    """
    is_given = _is_given(gateways.every(tx), label, name)
    own = link_names.of_link(tx, link.id)
    before = next((one for one in own if one.name == name), None)
    if before is not None:
        if before.claim.state in ("withdrawn", "given-up"):
            link_names.put_claim(tx, before, name_proof.begin(now_ns))
        return False
    _require_unused(tx, link, name)
    if is_given and link_names.holder(tx, name) is not None:
        raise NameOfAnother(name, name.partition(".")[2])
    if len(own) > MOST_DOMAINS:
        raise TooManyDomains
    new = _good(now_ns) if is_given else name_proof.begin(now_ns)
    link_names.add(tx, Name(link.id, name, given=is_given, claim=new))
    return True


def own_domains(tx: Tx, account: AccountId) -> list[str]:
    """Return the domains under which this account alone has names."""
    label = account_labels.get(tx, account)
    if label is None:
        return []
    return [given_names.own_domain(label, base) for gateway in gateways.every(tx) for base in gateway.domains]


def _is_given(known: list[Gateway], label: str, name: str) -> bool:
    """Whether the name is under the account's own label, so that it needs no proof."""
    for base in [base for gateway in known for base in gateway.domains]:
        own = given_names.own_domain(label, base)
        if name.partition(".")[2] == own:
            return True
        if name == base or domain_name.is_under(name, base):
            raise NameOfAnother(name, own)
    for gateway in known:
        target = gateway.about.target if gateway.about is not None else ""
        if target and (name == target or domain_name.is_under(name, target)):
            raise NameOfAnother(name, given_names.own_domain(label, gateway.domains[0] if gateway.domains else target))
    domain_name.require_public(name)
    name_proof.challenge_name(name)
    return False


def _require_unused(tx: Tx, link: Link, name: str) -> None:
    for other in links.of_account(tx, link.account):
        if other.id != link.id and any(one.name == name for one in link_names.of_link(tx, other.id)):
            app = installations.get(tx, other.installation)
            is_installed = app is not None and installations.find(tx, link.account, app.name, trashed=False) == app
            # One in the trash has no name of its own any more.
            raise NameInUse(name, app.name if app is not None and is_installed else other.installation)


def _good(now_ns: int) -> Claim:
    return Claim("good", now_ns, _GOOD_FOR_EVER)
