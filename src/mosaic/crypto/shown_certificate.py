"""Reading a certificate that a server showed, whoever signed it. That it is read says nothing of whether it is good."""

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

_MOST_NAMES = 100
_LONGEST = 253


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """What stands in it. `names` are DNS names in lower case; instants in s since 1970."""

    names: tuple[str, ...]
    issuer: str
    since: float
    until: float


def read(der: bytes) -> ShownCertificate | None:
    """Return what stands in a certificate (DER), None for what is none. Everything in it is a stranger's word."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        return ShownCertificate(
            _names(certificate),
            _issuer(certificate),
            certificate.not_valid_before_utc.timestamp(),
            certificate.not_valid_after_utc.timestamp(),
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_printable(name).lower() for name in alternative.get_values_for_type(x509.DNSName)[:_MOST_NAMES])


def _issuer(certificate: x509.Certificate) -> str:
    """Return the issuer as people know it: its organisation, else its name."""
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        found = certificate.issuer.get_attributes_for_oid(kind)
        if found:
            return _printable(str(found[0].value))
    return "an issuer without a name"


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST])
