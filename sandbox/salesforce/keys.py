"""The connected app's key pair and certificate, made at the first start."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID


def make_pair():
    """Return ``{private_key, certificate}`` in PEM: RSA 2048, self-signed, ten years."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Q2C Sync sandbox app")])
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256()))
    return {
        "private_key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode(),
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode()}


def verify(certificate, message, signature):
    """Check an RS256 signature against a PEM certificate.

    :raises cryptography.exceptions.InvalidSignature: it does not fit.
    """
    public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
