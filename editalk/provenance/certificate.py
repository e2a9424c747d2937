"""A certificate for who has none: made anew for every run, trusted by nobody, and saying so."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DEVELOPMENT = "editalk development certificate, trusted by nobody"
YEARS = 25  # without a time-stamp a signature is valid as long as its certificate
SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")  # c2pa-kp-claimSigning


@dataclass(frozen=True)
class Credential:
    """What signs. `chain`: certificates in PEM, the signer's first; `key`: its key, PKCS #8 in PEM; `algorithm`: as
    C2PA names it, e.g. "es256"; `name`: whom the certificate names.
    """

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str
    name: str

    @property
    def development(self) -> bool:
        return self.name == DEVELOPMENT


def development() -> Credential:
    """Its keys are on no disk: the authority's is forgotten at once, the signer's with the run."""
    now = datetime.now(UTC).replace(microsecond=0)
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _name(f"{DEVELOPMENT} (authority)")
    top = (
        _begun(root, root, authority, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _begun(_name(DEVELOPMENT), root, own, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, SIGNING]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    chain = leaf.public_bytes(Encoding.PEM) + top.public_bytes(Encoding.PEM)
    return Credential(chain, own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), "es256", DEVELOPMENT)


def _name(common: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "editalk"), x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])  # fmt: skip


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + timedelta(days=YEARS * 365))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=certificates, crl_sign=certificates, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
