"""Looking from outside whether a link's names lead to this very session, through each gateway's public side."""

import http.client
import ssl
from dataclasses import dataclass

from mosaic.adapters.caddy_link import CHECK_PATH
from mosaic.adapters.look_from_outside import look
from mosaic.wire.links import Peer


@dataclass(frozen=True, slots=True)
class Outside:
    """How it is looked. `trusts` is what a visitor trusts, where the certificates are of a public authority."""

    trusts: ssl.SSLContext
    session: str
    seconds: float

    def missing(self, name: str, peers: list[Peer]) -> str | None:
        """Return why a name does not lead here by any gateway, or None where it does. Takes a while: for a thread."""
        reasons = []
        for peer in peers:
            reason = self._missing(name, peer)
            if reason is None:
                return None
            reasons.append(f"{reason} (by {peer.name})")
        return "; ".join(reasons)

    def _missing(self, name: str, peer: Peer) -> str | None:
        host, _, port = peer.public.rpartition(":")
        try:
            seen = look((host.strip("[]"), int(port)), name, CHECK_PATH, self.trusts, seconds=self.seconds)
        except ssl.SSLCertVerificationError as error:
            return f"its certificate is not one that visitors trust: {error.verify_message}"
        except ssl.SSLError:
            return "there is no certificate for it yet"
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"its connection ended ({getattr(error, 'strerror', None) or type(error).__name__})"
        if (seen.status, seen.body) != (200, self.session):
            return "somebody else answers there"
        return None
