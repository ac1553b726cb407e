"""What a certificate says of itself, as another library reads it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from checks.access import certificates

_KEY = ec.generate_private_key(ec.SECP256R1())
_KEY_PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def made(
    begins: datetime,
    ends: datetime,
    names: Sequence[tuple[ObjectIdentifier, str]] = ((NameOID.COMMON_NAME, "autorité"),),
) -> x509.Certificate:
    issuer = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oidc-alice")]))
        .issuer_name(issuer)
        .public_key(_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(_KEY, hashes.SHA256())
    )


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)).map(
        lambda one: one.replace(microsecond=0, tzinfo=UTC)
    ),
    st.timedeltas(timedelta(seconds=1), timedelta(days=40_000)),
)
def test_until_when_it_holds(begins: datetime, lasts: timedelta) -> None:
    certificate = made(begins, begins + lasts)
    text = certificate.public_bytes(serialization.Encoding.PEM)
    expected = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    assert certificates.validity(text) == expected
    assert certificates.validity(_KEY_PEM + b"\n# le reste\n" + text + text) == expected


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (((NameOID.COMMON_NAME, "Antivirus é"),), "Antivirus é"),
        (((NameOID.ORGANIZATION_NAME, "Établissement"),), "Établissement"),
        (
            ((NameOID.ORGANIZATION_NAME, "Établissement"), (NameOID.COMMON_NAME, "proxy")),
            "proxy",
        ),
        (((NameOID.COMMON_NAME, "un"), (NameOID.COMMON_NAME, "deux")), "un"),
        (((NameOID.COUNTRY_NAME, "FR"),), ""),
        ((), ""),
    ],
)
def test_who_signed_it(names: Sequence[tuple[ObjectIdentifier, str]], told: str) -> None:
    certificate = made(datetime(2026, 1, 1), datetime(2027, 1, 1), names)
    assert certificates.issuer(certificate.public_bytes(serialization.Encoding.DER)) == told


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"rien",
        _KEY_PEM,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        made(datetime(2026, 1, 1), datetime(2027, 1, 1)).public_bytes(serialization.Encoding.PEM)[
            :200
        ],
    ],
)
def test_what_is_none_is_told(broken: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # of several libraries
        certificates.validity(broken)
    with pytest.raises(ValueError):  # noqa: PT011
        certificates.issuer(broken)
