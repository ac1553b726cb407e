"""What a JSON Web Token (RFC 7519) says of itself. Nobody is believed for it: the API server alone
decides what a token is worth.

joserfc, which signs the tokens of the local cluster, reads them too; but it loads 159 modules,
those of `cryptography` among them, in 0.19 s of processor, and each command reads one.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import msgspec

from checks.decoding import prepared


class Claims(msgspec.Struct, frozen=True):
    """The claims that we read; each may be anything, or None."""

    iat: object = None
    exp: object = None
    iss: object = None
    preferred_username: object = None

    @property
    def issued(self) -> datetime | None:
        """When the token was made; None where it does not say."""
        return _moment(self.iat)

    @property
    def ends(self) -> datetime | None:
        """When it ends; None where it does not say."""
        return _moment(self.exp)


prepared(Claims)


def claims(token: str) -> Claims:
    """What a token says; nothing for an opaque one."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return Claims()
    try:
        told = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(told, type=Claims)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return Claims()


def _moment(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
