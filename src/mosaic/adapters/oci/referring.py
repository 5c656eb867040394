"""What is attached to a manifest: signatures, bills of materials, anything with a `subject`.

A registry that knows the referrers API keeps the list itself. For one that
does not, whoever attaches something keeps an index under a tag made from the
subject's digest (distribution-spec 1.1, "Referrers Tag Schema"). Two who
attach at once could lose one entry there, since registries have no
conditional writes: the index is read back, and written again while the own
entry is not in it.
"""

import threading
from urllib.parse import quote, urljoin

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.authority import Scope
from mosaic.adapters.oci.exchange import Answer, Ask, Exchange
from mosaic.adapters.oci.failures import ManifestDamaged, RegistryUnreachable, RegistryUnreadable
from mosaic.adapters.oci.pushing import put_manifest
from mosaic.core.oci_types import OCI_INDEX, Descriptor, Digest, referrers_tag

_MOST_PAGES = 100
_MOST_ENTRIES = 20_000
_WRITES = 5


class Referrers:
    """What is attached to the manifests of one registry. Threads may share it."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._writing = threading.Lock()

    def of(self, repository: str, subject: Digest, artifact_type: str | None) -> tuple[Descriptor, ...]:
        """Return what is attached; see `Registry.referrers`."""
        found = self._asked(repository, subject, artifact_type)
        if found is None:
            found = self._listed(repository, subject)
        wanted = [entry for entry in found if artifact_type in (None, entry.artifact_type)]
        return tuple({entry.digest: entry for entry in wanted}.values())

    def enlist(self, repository: str, subject: Digest, entry: Descriptor) -> None:
        """Note an attached manifest where the registry did not. May be called again."""
        tag = referrers_tag(subject)
        with self._writing:
            for _ in range(_WRITES):
                listed = self._listed(repository, subject)
                if any(one.digest == entry.digest for one in listed):
                    return
                put_manifest(self._exchange, repository, tag, documents.write_index([*listed, entry]), OCI_INDEX)
        raise RegistryUnreachable(self._exchange.where, f"the list of what is attached in {repository} keeps changing")

    def _asked(self, repository: str, subject: Digest, artifact_type: str | None) -> list[Descriptor] | None:
        """Return what the registry lists; None when it keeps no lists."""
        query = "" if artifact_type is None else f"?artifactType={quote(artifact_type, safe='')}"
        url: str | None = self._exchange.url(repository, f"referrers/{subject}{query}")
        found: list[Descriptor] = []
        for page in range(_MOST_PAGES):
            if url is None:
                return found
            answer = self._get(repository, url, f"what is attached to {subject}", {200, 400, 404, 405})
            # Some answer an unknown path with a page for people.
            if answer.status != 200 or not answer.headers.get("content-type", "").startswith(OCI_INDEX):
                if page == 0:
                    return None
                raise RegistryUnreadable(self._exchange.where, "its list of what is attached ends in the middle")
            found += self._read(answer, str(subject))
            if len(found) > _MOST_ENTRIES:
                break
            url = next_page(self._exchange, answer)
        raise RegistryUnreadable(self._exchange.where, "its list of what is attached has no end")

    def _listed(self, repository: str, subject: Digest) -> list[Descriptor]:
        """Return what is listed under the subject's tag."""
        tag = referrers_tag(subject)
        answer = self._get(repository, self._exchange.url(repository, f"manifests/{tag}"), tag, {200, 404})
        return self._read(answer, f"{repository}:{tag}") if answer.status == 200 else []

    def _get(self, repository: str, url: str, name: str, expects: set[int]) -> Answer:
        most = self._exchange.limits.manifest_bytes
        accept = {"Accept": OCI_INDEX}
        return self._exchange.ask(Ask("GET", url, Scope(repository), name, frozenset(expects), accept, most_bytes=most))

    def _read(self, answer: Answer, name: str) -> list[Descriptor]:
        try:
            return list(documents.read_index(answer.content))
        except documents.DocumentInvalid as error:
            raise ManifestDamaged(self._exchange.where, name, str(error)) from None


def next_page(exchange: Exchange, answer: Answer) -> str | None:
    """Return where a list goes on (RFC 8288, rel="next"); None when this was its end. It never leaves the registry."""
    link = answer.headers.get("link", "")
    target, _, rest = link.partition(">")
    if not target.startswith("<") or 'rel="next"' not in rest.replace("rel=next", 'rel="next"'):
        return None
    url = exchange.place.led_to(answer.url, target[1:])
    if not exchange.place.is_own(url):
        raise RegistryUnreadable(exchange.where, "one of its lists goes on elsewhere")
    return urljoin(answer.url, url)
