"""A certificate authority of the Hive's own, for https without a public name.

P-256 and not Ed25519, because no browser accepts an Ed25519 certificate. The
authority lives for ten years and signs nothing but this Hive's certificates; a
certificate lives for 397 days, the most that every browser accepts.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
_CERTIFICATE_DAYS = 397
# Machines whose clock is a little behind must not refuse a certificate of this minute.
_CLOCK_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM. The key is for a 0600 file."""

    certificate_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return "KeyPair(…)"


def make_ca(name: str, now: datetime) -> KeyPair:
    """Make a new authority. `name` is what a browser shows, for instance `Mosaic on attic`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = (
        _unsigned(subject, subject, key.public_key(), now, days=_CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _signed(builder, key, key)


def issue(authority: KeyPair, names: list[str], now: datetime) -> KeyPair:
    """Issue a server certificate for DNS names and IP addresses. The first one is its common name."""
    ca_certificate = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    ca_key = load_pem_private_key(authority.key_pem.encode(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    builder = (
        _unsigned(subject, ca_certificate.subject, key.public_key(), now, days=_CERTIFICATE_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return _signed(builder, key, ca_key)


def self_signed(name: str, now: datetime) -> KeyPair:
    """Make a server certificate that nobody vouches for, for clients that know its fingerprint. It lives ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = (
        _unsigned(subject, subject, key.public_key(), now, days=_CA_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _signed(builder, key, key)


def expires(certificate_pem: str) -> datetime:
    """Return the instant (UTC) after which the first certificate of the PEM is no longer good."""
    return x509.load_pem_x509_certificate(certificate_pem.encode()).not_valid_after_utc


def root_of(chain_pem: str) -> str | None:
    """Return the last certificate (PEM) of a chain if it is its own issuer, None for a chain without its root."""
    last = x509.load_pem_x509_certificates(chain_pem.encode())[-1]
    if last.issuer != last.subject:
        return None
    return last.public_bytes(Encoding.PEM).decode()


def covers(certificate_pem: str, names: list[str]) -> bool:
    """Tell whether the certificate is good for all these DNS names and IP addresses."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_general_name(name) in alternative for name in names)


def _unsigned(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, *, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signed(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> KeyPair:
    certificate = builder.sign(signer, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM).decode(), private.decode())
