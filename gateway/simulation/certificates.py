"""Certificates that a simulated brand makes by itself: a good one, and one for somebody else."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LIFE = timedelta(days=30)
_NOBODY = "somebody-else.example"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of a certificate and its key; `wrong` are those that are shown to have it refused, where there are any."""

    certificate: Path
    key: Path
    wrong: tuple[Path, Path] | None = None

    def context(self, is_wrong: Callable[[], bool]) -> ssl.SSLContext:
        """For a server: which certificate it shows is asked anew for each connection."""
        good = _context(self.certificate, self.key)
        if self.wrong is None:
            return good
        bad = _context(*self.wrong)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = bad if is_wrong() else good

        good.sni_callback = choose
        return good


def make_certificates(folder: Path, ca_file: Path, names: tuple[str, ...]) -> Certificates:
    """Makes an authority, whose certificate goes to `ca_file`, and by it a certificate for `names` and one for nobody
    here; these, with their keys, go to `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _named("Simulated partners")
    issued = (
        _certificate(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    ca_file.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    pairs = []
    for file, each in (("partner", names), ("wrong", (_NOBODY,))):
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _certificate(_named(each[0]), authority, key)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in each]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        pairs.append(_write(folder, file, made, key))
    (certificate, key_file), wrong = pairs
    return Certificates(certificate, key_file, wrong)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
    )


def _write(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    certificate_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
