"""The authority of a LAN front: for names that exist on one machine or one network, and for nothing else.

A root is made, signs one intermediate, and its key is forgotten: nobody can
sign anything with it again. What the intermediate may certify is in its own
certificate and in the root's, critically (RFC 5280, 4.2.1.10): names below `localhost` and
`local`, no address, servers only. So who trusts the root trusts it with no name of the
public DNS, and who steals the key can pretend to be no one there.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DOMAINS = ("localhost", "local")

_DAYS = 3650
_CLOCK_SLACK = timedelta(hours=1)
_EVERY_ADDRESS = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class LanAuthority:
    """A root, the intermediate that it signed, and that one's key, all PEM. The key is for a 0600 file."""

    root_pem: str
    intermediate_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return "LanAuthority(…)"


def make(name: str, now: datetime) -> LanAuthority:
    """Make an authority that lives ten years. `name` is what a browser shows, for instance `Mosaic on attic`."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # Told apart by their key: a machine that is set up anew has another root of the same name.
    known = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()).digest.hex()[:8]
    root_name, below = _name(f"{name[:40]}, LAN {known}"), _name(f"{name[:40]}, LAN {known}, signing")
    root = _unsigned(root_name, root_name, root_key, root_key, now, length=1).sign(root_key, SHA256())
    intermediate = _unsigned(below, root_name, key, root_key, now, length=0).sign(root_key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return LanAuthority(_pem(root), _pem(intermediate), private.decode())


def is_good(root_pem: str, now: datetime, *, days: int) -> bool:
    """Tell whether the authority of this root is good for so many days more; False for what is none."""
    try:
        return now + timedelta(days=days) < x509.load_pem_x509_certificate(root_pem.encode()).not_valid_after_utc
    except ValueError:
        return False


def limited(root_pem: str) -> str:
    """Return the one certificate that this is, PEM and nothing beside it. For whoever is told of a root by others.

    Raises ValueError for what is none, several, or one that may certify more than names of a machine and its network.
    """
    found = x509.load_pem_x509_certificates(root_pem.encode())
    if len(found) != 1:
        raise ValueError("it is not one certificate")
    try:
        limits = found[0].extensions.get_extension_for_class(x509.NameConstraints)
    except (x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise ValueError(str(error)) from None
    if not limits.critical or limits.value != _limits():
        raise ValueError("its limits are others")
    return _pem(found[0])


def fingerprint(certificate_pem: str) -> str:
    """Return the SHA-256 of a certificate as browsers show it. Raises ValueError for what is none."""
    return x509.load_pem_x509_certificate(certificate_pem.encode()).fingerprint(SHA256()).hex(":").upper()


def _unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
    *,
    length: int,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SLACK)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_limits(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _limits() -> x509.NameConstraints:
    # A kind of name that is not spoken of is allowed: so addresses have to be.
    return x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(domain) for domain in DOMAINS],
        excluded_subtrees=[x509.IPAddress(network) for network in _EVERY_ADDRESS],
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
