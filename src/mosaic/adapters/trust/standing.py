"""How a repository stands: what expires when, and which keys are at hand to sign it again."""

from dataclasses import dataclass

from mosaic.adapters.trust.repository import Repository
from mosaic.core.expiry import Freshness, freshness


@dataclass(frozen=True, slots=True)
class RoleStanding:
    """One role. `expires_at` is in seconds since 1970; `at_hand` counts those of its keys whose files are here."""

    role: str
    version: int
    expires_at: int
    freshness: Freshness
    keys: int
    threshold: int
    at_hand: int


def standing(repository: Repository, *, now_ns: int) -> list[RoleStanding]:
    """Return how every role stands, the one that expires first before all others. Opens no key.

    Raises:
        RepositoryMissing, RepositoryAltered: see `Repository`.
    """
    edition = repository.edition()
    found = []
    for role in ("root", "targets", *edition.channels, "snapshot", "timestamp"):
        signed = edition.role(role).signed
        expires_at = int(signed.expires.timestamp())
        keyids = edition.keyids(role)
        found.append(
            RoleStanding(
                role=role,
                version=signed.version,
                expires_at=expires_at,
                freshness=freshness(expires_at=expires_at, period=repository.periods.of(role), now=now_ns // 10**9),
                keys=len(keyids),
                threshold=edition.threshold(role),
                at_hand=len([one for one in keyids if any(folder.has(one) for folder in repository.folders)]),
            )
        )
    return sorted(found, key=lambda one: one.expires_at)


def warnings(found: list[RoleStanding]) -> list[str]:
    """Return one sentence for each role that must be signed again, with who can."""
    return [_sentence(one) for one in found if one.freshness != "good"]


def _sentence(one: RoleStanding) -> str:
    verb = "has expired" if one.freshness == "expired" else "expires soon"
    if one.at_hand < one.threshold:
        return f"{one.role} {verb}: fetch its keys, of which {one.threshold} must sign it again"
    return f"{one.role} {verb}: sign it again"
