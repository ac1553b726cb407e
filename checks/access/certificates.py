"""What an X.509 certificate says of itself: until when it holds, and who signed it."""

from __future__ import annotations

from datetime import datetime

from asn1crypto import pem, x509


def validity(text: bytes) -> tuple[datetime, datetime]:
    """From when and until when the first certificate of a PEM file holds. Raises ValueError."""
    try:
        blocks = pem.unarmor(text, multiple=True)
        der = next(content for name, _headers, content in blocks if name == "CERTIFICATE")
        certificate = x509.Certificate.load(der, strict=True)
        return certificate.not_valid_before, certificate.not_valid_after
    except (StopIteration, TypeError, KeyError, OverflowError) as error:
        raise ValueError("not a certificate") from error


def issuer(der: bytes) -> str:
    """The name of who signed a certificate: its common name, or else its organisation; "" without
    either. Raises ValueError."""
    try:
        names = x509.Certificate.load(der, strict=True).issuer.native
    except (TypeError, KeyError) as error:
        raise ValueError("not a certificate") from error
    named = names.get("common_name") or names.get("organization_name") or ""
    return str(named[0] if isinstance(named, list) else named)
